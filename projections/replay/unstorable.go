package replay

import (
	"context"
	"math"

	"github.com/readside/readside/projections"
)

// A value that cannot be stored is found when its row is finished, and may be mended
// by a later event. So the event to blame is the first of those after which the row
// could not be stored up to the end: it and what follows wait.

// unstorable folds rows anew up to the event that is to blame, and answers them; a
// row whose own columns are not to blame stays away.
func (r *replay) unstorable(ctx context.Context, view int, keys []string) (map[rowID]*projections.Row, error) {
	all := rowsUntil{}
	for _, key := range keys {
		id := rowID{view, key}
		all[id] = math.MaxInt64
		if from, ok := r.blocked[id]; ok {
			all[id] = from
		}
	}
	blamed := rowsUntil{}
	reasons := map[rowID]*projections.FoldError{}
	v := &r.views[view]
	_, err := r.refold(ctx, all, func(row *projections.Row, t *projections.Touch, e *projections.Event) error {
		id := rowID{t.View, t.Key}
		_, err := v.layout.Encode(row)
		if err == nil {
			delete(blamed, id)
		} else if _, ok := blamed[id]; !ok {
			blamed[id] = e.Meta.Position.Place()
			reasons[id] = projections.Unstorable(v.model.Name, t.Key, e.Meta, e.Route.EventType, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := r.blame(ctx, all, blamed, reasons); err != nil {
		return nil, err
	}
	rows, err := r.refold(ctx, blamed, nil)
	if err != nil {
		return nil, err
	}
	for id := range blamed {
		if rows[id] == nil {
			rows[id] = v.model.NewRow(id.name) // its first event is to blame
		}
	}
	return rows, nil
}

// blame reports the faults and what waits behind them.
func (r *replay) blame(ctx context.Context, all, blamed rowsUntil, reasons map[rowID]*projections.FoldError) error {
	_, err := r.refold(ctx, all, func(_ *projections.Row, t *projections.Touch, e *projections.Event) error {
		id := rowID{t.View, t.Key}
		from, ok := blamed[id]
		if !ok || e.Meta.Position.Place() < from {
			return nil
		}
		w := r.waiting(t, e)
		if e.Meta.Position.Place() == from {
			w.Fault = reasons[id]
		}
		return r.report(w)
	})
	return err
}
