package replay

import (
	"context"
	"fmt"
	"strings"

	"github.com/readside/readside/projections"
)

// faults is what of the log cannot be folded. A row with a fault is left as it was
// right before it, and all that touches it later waits.
//
// A handler that fails may have changed half of its row, so that the row is folded
// anew up to the fault: from disk where it stands there, and else by reading the log
// once more, for all such rows together.
type faults struct {
	// streams wait from an event on whose rows are not known.
	streams map[rowID]int64
	// blocked is from which place on the touches of a row wait.
	blocked map[rowID]int64
	// told is the last place of a row that was reported: one event may touch it twice.
	told map[rowID]int64
	// broken are rows in memory that are half folded: they are mended when the log is read.
	broken rowsUntil
}

// rowsUntil are rows, each with the place before which its events count.
type rowsUntil map[rowID]int64

func (r rowsUntil) has(view int, key string, place int64) bool {
	until, ok := r[rowID{view, key}]
	return ok && place < until
}

func newFaults() faults {
	return faults{streams: map[rowID]int64{}, blocked: map[rowID]int64{}, told: map[rowID]int64{}, broken: rowsUntil{}}
}

func (f *faults) isBlocked(view int, key string, place int64) bool {
	if len(f.blocked) == 0 {
		return false
	}
	from, ok := f.blocked[rowID{view, key}]
	return ok && place >= from
}

func (r *replay) waiting(t *projections.Touch, e *projections.Event) Waiting {
	return Waiting{
		View: r.views[t.View].model, Key: t.Key, Stream: e.Meta.Stream, EventType: e.Route.EventType, Position: e.Meta.Position,
	}
}

// report hands on what waits, in the order of each row's events; the row waits from
// the first one on.
func (r *replay) report(waiting ...Waiting) error {
	for _, w := range waiting {
		w.ownTexts()
		if w.Key != "" {
			id, place := rowID{r.index[w.View], w.Key}, w.Position.Place()
			if r.told[id] == place {
				continue
			}
			r.told[id] = place
			if from, ok := r.blocked[id]; !ok || place < from {
				r.blocked[id] = place
			}
		}
		if err := r.cfg.Faults(w); err != nil {
			return err
		}
	}
	return nil
}

// ownTexts frees the row's and the stream's name from the event that they are parts of:
// they are kept for long, and it would be kept with them.
func (w *Waiting) ownTexts() {
	w.Key, w.Stream = strings.Clone(w.Key), strings.Clone(w.Stream)
	if w.Fault != nil {
		w.Fault.Key, w.Fault.Stream = w.Key, w.Stream
	}
}

// faulty takes the faults of a fold, and what its touches had behind them.
func (r *replay) faulty(faults []*projections.FoldError, touches []projections.Touch, events []projections.Event) error {
	if r.cfg.Faults == nil {
		return faults[0]
	}
	for _, fault := range faults {
		w := Waiting{
			View: r.cfg.Set.View(fault.View), Key: fault.Key, Stream: fault.Stream, EventType: fault.Type, Position: fault.Position, Fault: fault,
		}
		if err := r.report(w); err != nil {
			return err
		}
	}
	for i := range touches {
		t := &touches[i]
		if e := &events[t.Event]; r.isBlocked(t.View, t.Key, e.Meta.Position.Place()) {
			if err := r.report(r.waiting(t, e)); err != nil {
				return err
			}
		}
	}
	return nil
}

// foldAll folds the touches of rows in memory. Those that fail are taken out.
func (f *resident) foldAll() error {
	f.lookUp()
	faults := f.cfg.Set.FoldAll(nil, f.touches, f.page.events)
	if len(faults) == 0 {
		return nil
	}
	if err := f.faulty(faults, f.touches, f.page.events); err != nil {
		return err
	}
	for _, fault := range faults {
		id := rowID{f.index[f.cfg.Set.View(fault.View)], fault.Key}
		f.broken[id] = fault.Position.Place()
		hash := Hash(id.name)
		f.all[f.part(id.view, f.slice(hash))].rows.remove(hash, id.name)
	}
	return nil
}

// foldTurn folds the events at hand of a slice that was on disk.
func (t *turn) foldTurn() error {
	if len(t.blocked) > 0 {
		open := t.touches[:0]
		for _, touch := range t.touches {
			e := &t.events[touch.Event]
			if !t.isBlocked(touch.View, touch.Key, e.Meta.Position.Place()) {
				open = append(open, touch)
			} else if !t.silent {
				if err := t.report(t.waiting(&touch, e)); err != nil {
					return err
				}
			}
		}
		t.touches = open
	}
	faults := t.cfg.Set.FoldAll(t, t.touches, t.events)
	if len(faults) == 0 {
		return nil
	}
	t.failed = true
	return t.faulty(faults, t.touches, t.events)
}

// mend folds the rows anew that failed half way.
func (r *replay) mend(ctx context.Context) error {
	if len(r.broken) == 0 {
		return nil
	}
	rows, err := r.refold(ctx, r.broken, nil)
	if err != nil {
		return fmt.Errorf("fold %d rows anew up to their faults: %w", len(r.broken), err)
	}
	for id, row := range rows {
		hash := Hash(id.name)
		r.all[r.part(id.view, r.slice(hash))].rows.put(hash, row)
	}
	clear(r.broken)
	return nil
}

// refold folds some rows, own columns only, by another pass over the log; after,
// unless nil, is called after each of their touches.
func (r *replay) refold(ctx context.Context, only rowsUntil, after func(row *projections.Row, t *projections.Touch, e *projections.Event) error) (map[rowID]*projections.Row, error) {
	last := int64(0)
	for _, place := range only {
		last = max(last, place-1)
	}
	cfg := r.cfg
	cfg.Until = cfg.Until.At(min(last, cfg.Until.Place()))
	cfg.Progress, cfg.Done, cfg.Keep = nil, nil, nil
	cfg.Faults = func(Waiting) error { return nil } // they were reported
	again, err := newReplay(cfg)
	if err != nil {
		return nil, err
	}
	again.only = only
	rows := map[rowID]*projections.Row{}
	return rows, again.read(ctx, func(p *page) error {
		for i := range p.touches {
			t := &p.touches[i]
			id := rowID{t.View, t.Key}
			row := rows[id]
			if row == nil {
				row = again.views[t.View].model.NewRow(t.Key)
				rows[id] = row
			}
			if faults := again.cfg.Set.FoldAll(just{row}, p.touches[i:i+1], p.events); len(faults) > 0 {
				return faults[0]
			}
			if after == nil {
				continue
			}
			if err := after(row, t, &p.events[t.Event]); err != nil {
				return err
			}
		}
		return nil
	})
}

// just is the rows of a fold of one row.
type just struct{ row *projections.Row }

func (j just) Row(int, string) *projections.Row { return j.row }
