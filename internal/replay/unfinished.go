package replay

import (
	"context"
	"errors"
	"math"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay/rowtable"
	"github.com/readside/readside/internal/replay/waiting"
	"github.com/readside/readside/projections"
)

// That a row cannot be joined, or holds a value that cannot be stored, is found when it
// is finished, and an event may have mended what another one broke. So the event to
// blame is the first of those after which the row could not be finished up to the end,
// with its sources as they are at the end: it and what follows wait.

// unfinished folds rows anew up to the event that is to blame, and returns them.
func (r *replay) unfinished(ctx context.Context, view int, keys []string) (map[waiting.ID]*projections.Row, error) {
	all := rowsUntil{}
	for _, key := range keys {
		id := waiting.ID{View: view, Name: key}
		all[id] = math.MaxInt64
		if from, ok := r.waits.From(id); ok {
			all[id] = from
		}
	}
	blamed := rowsUntil{}
	reasons := map[waiting.ID]*projections.FoldError{}
	_, err := r.refold(ctx, all, func(row *projections.Row, t *projections.Touch, e *projections.Event) error {
		id := waiting.ID{View: t.View, Name: t.Key}
		fault, err := r.tryFinish(ctx, &r.views[view], row)
		if err != nil {
			return err
		}
		if fault == nil {
			delete(blamed, id)
		} else if _, ok := blamed[id]; !ok {
			fault.Position, fault.Stream, fault.Type = e.Meta.Position, e.Meta.Stream, e.Route.EventType
			blamed[id], reasons[id] = e.Meta.Position.Place(), fault
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
			rows[id] = r.views[view].model.NewRow(id.Name) // its first event is to blame
		}
	}
	return rows, nil
}

// tryFinish returns why a row cannot be finished; the row stays as it is.
func (r *replay) tryFinish(ctx context.Context, v *view, row *projections.Row) (*projections.FoldError, error) {
	try := &projections.Row{Key: row.Key, State: row.State, Value: v.model.Clone(row.Value)}
	loaded, err := r.load(ctx, v, []*projections.Row{try})
	if err != nil {
		return nil, err
	}
	fault := r.join(v, try, func(j *projections.JoinModel, key string) any { return r.source(loaded, j, key, rowtable.Found{}) })
	if fault == nil {
		// Not in the slice's memory: as long as that is used, nothing in it is let go.
		_, fault = r.image(&hot.Encoder{}, v, try)
	}
	return fault, nil
}

// join joins a row.
func (r *replay) join(v *view, row *projections.Row, lookup projections.Sources) *projections.FoldError {
	if row.State != projections.Live {
		return nil
	}
	if err := v.model.Join(row, lookup); err != nil {
		return r.joinFault(v, row, err)
	}
	return nil
}

// image encodes a row that is joined.
func (r *replay) image(e *hot.Encoder, v *view, row *projections.Row) (hot.Image, *projections.FoldError) {
	img, err := e.Encode(v.layout, row, hot.Image{}, false)
	if err == nil {
		return img, nil
	}
	if fault := new(projections.FoldError); errors.As(err, &fault) {
		return img, r.joinFault(v, row, err) // the keys of a join
	}
	return img, projections.Unstorable(v.model.Name, row.Key, projections.Meta{}, "", err)
}

// joinFault is a fault of a join, which no single event is to blame for.
func (r *replay) joinFault(v *view, row *projections.Row, err error) *projections.FoldError {
	var fault *projections.FoldError
	if !errors.As(err, &fault) {
		fault = &projections.FoldError{View: v.model.Name, Key: row.Key, Type: "join", Err: err}
	}
	fault.Reason = projections.ReasonJoin
	return fault
}

// blame reports the faults and what waits behind them.
func (r *replay) blame(ctx context.Context, all, blamed rowsUntil, reasons map[waiting.ID]*projections.FoldError) error {
	_, err := r.refold(ctx, all, func(_ *projections.Row, t *projections.Touch, e *projections.Event) error {
		id := waiting.ID{View: t.View, Name: t.Key}
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
