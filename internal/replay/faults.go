package replay

import (
	"context"
	"fmt"

	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/internal/replay/waiting"
	"github.com/readside/readside/projections"
)

// A handler that fails may have changed half of its row, so that the row is folded
// anew up to the fault: from disk where it stands there, and else by reading the log
// once more, for all such rows together.

// rowsUntil are rows, each with the place before which its events count.
type rowsUntil map[waiting.ID]int64

func (r rowsUntil) has(view int, key string, place int64) bool {
	until, ok := r[waiting.ID{View: view, Name: key}]
	return ok && place < until
}

// waiting is a touch that waits.
func (r *replay) waiting(t *projections.Touch, e *projections.Event) Waiting {
	return waiting.Of(r.views[t.View].model, t.Key, e)
}

// report hands on what waits.
func (r *replay) report(some ...Waiting) error {
	for _, w := range some {
		if err := r.waits.Report(r.index[w.View], w); err != nil {
			return err
		}
	}
	return nil
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
		if e := &events[t.Event]; r.waits.Blocks(t.View, t.Key, e.Meta.Position.Place()) {
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
	faults := f.r.cfg.Set.FoldAll(nil, f.touches, f.page.Events)
	if len(faults) == 0 {
		return nil
	}
	if err := f.r.faulty(faults, f.touches, f.page.Events); err != nil {
		return err
	}
	for _, fault := range faults {
		id := waiting.ID{View: f.r.index[f.r.cfg.Set.View(fault.View)], Name: fault.Key}
		f.r.broken[id] = fault.Position.Place()
		hash := keyhash.Of(id.Name)
		f.r.all.At(f.r.part(id.View, f.r.slice(hash))).Rows.Remove(hash, id.Name)
	}
	return nil
}

// foldTurn folds the events at hand of a slice that was on disk.
func (t *turn) foldTurn() error {
	if t.r.waits.HasRows() {
		open := t.touches[:0]
		for _, touch := range t.touches {
			e := &t.events[touch.Event]
			if !t.r.waits.Blocks(touch.View, touch.Key, e.Meta.Position.Place()) {
				open = append(open, touch)
			} else if !t.silent {
				if err := t.r.report(t.r.waiting(&touch, e)); err != nil {
					return err
				}
			}
		}
		t.touches = open
	}
	faults := t.r.cfg.Set.FoldAll(t, t.touches, t.events)
	if len(faults) == 0 {
		return nil
	}
	t.failed = true
	return t.r.faulty(faults, t.touches, t.events)
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
		hash := keyhash.Of(id.Name)
		r.all.At(r.part(id.View, r.slice(hash))).Rows.Put(hash, row)
	}
	clear(r.broken)
	return nil
}

// refold folds some rows, own columns only, by another pass over the log; after,
// unless nil, is called after each of their touches.
func (r *replay) refold(ctx context.Context, only rowsUntil, after func(row *projections.Row, t *projections.Touch, e *projections.Event) error) (map[waiting.ID]*projections.Row, error) {
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
	rows := map[waiting.ID]*projections.Row{}
	return rows, again.read(ctx, func(p *page) error {
		touches, events := p.read.Touches, p.read.Events
		for i := range touches {
			t := &touches[i]
			id := waiting.ID{View: t.View, Name: t.Key}
			row := rows[id]
			if row == nil {
				row = again.views[t.View].model.NewRow(t.Key)
				rows[id] = row
			}
			if faults := again.cfg.Set.FoldAll(just{row}, touches[i:i+1], events); len(faults) > 0 {
				return faults[0]
			}
			if after == nil {
				continue
			}
			if err := after(row, t, &events[t.Event]); err != nil {
				return err
			}
		}
		return nil
	})
}

// just is the rows of a fold of one row.
type just struct{ row *projections.Row }

func (j just) Row(int, string) *projections.Row { return j.row }
