package engine

import (
	"reflect"
	"testing"
)

// outlives are the fields of a worker, and why each may outlive an ownership.
var outlives = map[string]string{
	"Projector": "definitions and configuration never change",
	"lease":     "the right to write; the epoch that it names is that of the first turn only",
	"ctx":       "it ends with the lease",
	"conn":      "a connection knows no rows",
	"session":   "it knows statements, no rows, and is emptied when a turn begins",
	"healthy":   "it shortens the wait after an error",
	"turn":      "it is replaced whole",
}

// A worker may know nothing of rows but in its turn, which every ownership begins anew:
// an author who adds a field to worker decides here why it may live longer.
func TestWhatOutlivesAnOwnership(t *testing.T) {
	fields := reflect.VisibleFields(reflect.TypeFor[worker]())
	direct := 0
	for _, f := range fields {
		if len(f.Index) > 1 {
			continue
		}
		direct++
		if outlives[f.Name] == "" {
			t.Errorf("worker.%s outlives an ownership: put it into turn, or say why it may", f.Name)
		}
	}
	if direct != len(outlives) {
		t.Errorf("worker has %d fields and the list %d", direct, len(outlives))
	}
}
