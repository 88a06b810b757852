package build

import (
	"runtime"
	"strings"
	"testing"

	"github.com/readside/readside/internal/replay"
)

// Slices that wait to be written keep their images. A key may be part of the event that
// made the row, and would keep all of it.
func TestGatheredSlicesKeepNoEvents(t *testing.T) {
	const rows, eventBytes = 64, 1 << 20
	held := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := held()
	g := &gathered{}
	for i := range rows {
		event := strings.Repeat("e", eventBytes)
		row := replay.Row{Key: event[:5]}
		g.add(replay.Slice{Number: i, Rows: []replay.Row{row}, Sources: []replay.Row{row}})
	}
	if more := held() - before; more > rows*eventBytes/8 {
		t.Errorf("%d slices of one row keep %d bytes", rows, more)
	}
	if numbers, counts := g.numbers(); len(numbers) != rows || len(counts) != rows || counts[0] != 1 {
		t.Errorf("slices %v with %v rows are gathered", numbers, counts)
	}
}
