package own

import (
	"reflect"
	"testing"
)

// outlives are the fields of a worker, and why each may outlive an ownership.
var outlives = map[string]string{
	"cfg":     "definitions and configuration never change",
	"Lease":   "the right to write; the epoch that it names is that of the first turn only",
	"ctx":     "it ends with the lease",
	"Conn":    "a connection knows no rows",
	"session": "it knows statements, no rows, and is emptied when a turn begins",
	"Turn":    "it is replaced whole",
}

// A worker may know nothing of rows but in its turn, which every ownership begins from scratch:
// an author who adds a field to Worker decides here why it may live longer.
func TestWhatOutlivesAnOwnership(t *testing.T) {
	fields := reflect.VisibleFields(reflect.TypeFor[Worker]())
	direct := 0
	for _, f := range fields {
		if len(f.Index) > 1 {
			continue
		}
		direct++
		if outlives[f.Name] == "" {
			t.Errorf("Worker.%s outlives an ownership: put it into fold.Turn, or say why it may", f.Name)
		}
	}
	if direct != len(outlives) {
		t.Errorf("Worker has %d fields and the list %d", direct, len(outlives))
	}
}
