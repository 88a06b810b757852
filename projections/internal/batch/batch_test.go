package batch

import (
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Small batches that wait become one; the events of each touch stay its own.
func TestWaitingBatchesBecomeOne(t *testing.T) {
	t.Parallel()
	start := eventlog.Position{}
	a := &Batch{From: start, Events: make([]projections.Event, 2), Touches: []projections.Touch{{Key: "a", Event: 1}}}
	b := &Batch{CaughtUp: true, Events: make([]projections.Event, 3), Touches: []projections.Touch{{Key: "b", Event: 0}, {Key: "c", Event: 2}}}
	b.Broken = []projections.Broken{{}}
	got := a.With(b)
	if len(got.Events) != 5 || !got.CaughtUp || len(got.Broken) != 1 {
		t.Errorf("the batch is %+v", got)
	}
	for i, want := range []int{1, 2, 4} {
		if got.Touches[i].Event != want {
			t.Errorf("touch %d is of event %d, want %d", i, got.Touches[i].Event, want)
		}
	}
}
