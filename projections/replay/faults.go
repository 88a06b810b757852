package replay

import (
	"context"
	"errors"

	"github.com/readside/readside/projections"
)

// faults is what of the log cannot be folded. A row with a fault is left as it was
// right before it, and all that touches it later waits.
//
// A handler that fails may have changed half of its row, so that the row is folded
// anew up to the fault: from disk where it stands there, and else by reading the log
// once more, for all such rows together.
type faults struct {
	// streams wait from an event on whose rows are not known; the decoding goroutine's.
	streams map[rowID]bool
	// blocked is from which place on the touches of a row wait.
	blocked map[rowID]int64
	// broken are rows in memory that are half folded: they are mended when the log is read.
	broken map[rowID]bool
}

func newFaults() faults {
	return faults{streams: map[rowID]bool{}, blocked: map[rowID]int64{}, broken: map[rowID]bool{}}
}

func (f *faults) isBlocked(view int, key string, place int64) bool {
	if len(f.blocked) == 0 {
		return false
	}
	from, ok := f.blocked[rowID{view, key}]
	return ok && place >= from
}

func (f *faults) block(view int, key string, place int64) {
	id := rowID{view, key}
	if from, ok := f.blocked[id]; !ok || place < from {
		f.blocked[id] = place
	}
}

func (r *replay) waiting(t *projections.Touch, e *projections.Event) Waiting {
	return Waiting{
		View: r.views[t.View].model, Key: t.Key, Stream: e.Meta.Stream, EventType: e.Route.EventType, Position: e.Meta.Position,
	}
}

// report hands on what waits; the rows of it wait from there on.
func (r *replay) report(waiting []Waiting) error {
	for _, w := range waiting {
		if w.Key != "" {
			r.block(r.index[w.View], w.Key, w.Position.Place())
		}
		if err := r.cfg.Faults(w); err != nil {
			return err
		}
	}
	return nil
}

// faulty takes a fault of touch t, or answers it where nobody takes faults.
func (r *replay) faulty(t *projections.Touch, e *projections.Event, err error) error {
	var fault *projections.FoldError
	if r.cfg.Faults == nil || !errors.As(err, &fault) {
		return err
	}
	w := r.waiting(t, e)
	w.Fault = fault
	return r.report([]Waiting{w})
}

// foldAll folds the touches of rows in memory.
func (f *resident) foldAll() error {
	for f.next < len(f.touches) {
		err := f.cfg.Set.Fold(f, f.touches[f.next:], f.page.events)
		if err == nil {
			return nil
		}
		at := f.next - 1 // the fold asked for its row
		t := f.touches[at]
		if err := f.faulty(&t, &f.page.events[t.Event], err); err != nil {
			return err
		}
		f.broken[rowID{t.View, t.Key}] = true
		if err := f.setAside(t); err != nil {
			return err
		}
	}
	return nil
}

// setAside takes the rest of the page's touches of a row that has just failed.
func (f *resident) setAside(failed projections.Touch) error {
	touches, parts := f.touches[:f.next], f.parts[:f.next]
	for i := f.next; i < len(f.touches); i++ {
		t := f.touches[i]
		if t.View != failed.View || t.Key != failed.Key {
			touches, parts = append(touches, t), append(parts, f.parts[i])
			continue
		}
		if err := f.report([]Waiting{f.waiting(&t, &f.page.events[t.Event])}); err != nil {
			return err
		}
	}
	f.touches, f.parts = touches, parts
	return nil
}

// mend folds the rows in memory anew that failed half way.
func (r *replay) mend(ctx context.Context) error {
	return nil
}

// foldTurn folds the events at hand of a slice that was on disk.
func (t *turn) foldTurn() error {
	return t.cfg.Set.Fold(t, t.touches, t.events)
}
