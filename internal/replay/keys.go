package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/projections"
)

// keysMax bounds the rows that Keys folds: they are all held in memory.
const keysMax = 100_000

// Keys folds given rows of one view exactly, joins too, in one pass over the log. A
// key without a row has none in the answer. The views that it joins, directly or
// through others, are folded beside it, within the budget, since nobody knows which of
// their rows are needed before the log is read; of those only the needed ones are
// joined. Views, Keep, Done and Sources of the configuration are not used.
func Keys(ctx context.Context, cfg Config, view string, keys []string) (map[string]Row, error) {
	if len(keys) > keysMax {
		return nil, fmt.Errorf("replay: %d keys of view %s: at most %d at once", len(keys), view, keysMax)
	}
	wanted := make(map[string]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	cfg.Views = []string{view}
	cfg.Keep = func(_ *projections.Model, key string) bool { return wanted[key] }
	cfg.Done, cfg.Sources = nil, nil
	r, err := newReplay(cfg)
	if err != nil {
		return nil, err
	}
	rows, err := r.keys(ctx, wanted)
	if err := errors.Join(err, r.spilled.Close()); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return rows, nil
}

func (r *replay) keys(ctx context.Context, wanted map[string]bool) (map[string]Row, error) {
	if err := r.read(ctx, r.fold); err != nil {
		return nil, err
	}
	if err := r.mend(ctx); err != nil {
		return nil, err
	}
	// The view itself is the last, its sources stand before it. Which of their rows are
	// needed follows from own columns, so downwards; the joins then go upwards.
	last := len(r.views) - 1
	needed := make([]map[string]bool, len(r.views))
	needed[last] = wanted
	picked := make([]map[string]*projections.Row, len(r.views))
	for i := last; i >= 0; i-- {
		var err error
		if picked[i], err = r.pick(i, needed[i]); err != nil {
			return nil, err
		}
		if err := r.need(i, picked[i], needed); err != nil {
			return nil, err
		}
	}
	lookup := func(j *projections.JoinModel, key string) any {
		if row := picked[r.index[j.Source]][key]; row != nil && row.State == projections.Live {
			return row.Value
		}
		return nil
	}
	for i := range last {
		for _, row := range picked[i] {
			if row.State == projections.Live {
				if err := r.views[i].model.Join(row, lookup); err != nil {
					return nil, err
				}
			}
		}
	}
	out := Slice{}
	for _, row := range picked[last] {
		if fault := r.finishRow(&r.views[last], row, lookup, &out, false); fault != nil {
			return nil, fault
		}
	}
	found := make(map[string]Row, len(out.Rows))
	for _, row := range out.Rows {
		found[row.Key] = row
	}
	return found, nil
}

// pick returns rows by key, own columns only, and frees the others.
func (r *replay) pick(i int, keys map[string]bool) (map[string]*projections.Row, error) {
	bySlice := map[int][]string{}
	for key := range keys {
		s := r.slice(keyhash.Of(key))
		bySlice[s] = append(bySlice[s], key)
	}
	picked := make(map[string]*projections.Row, len(keys))
	for s := range r.cfg.Slices {
		at := r.part(i, s)
		rows := r.all.At(at).Rows
		if r.all.At(at).Spilled && len(bySlice[s]) > 0 {
			var err error
			if rows, _, err = r.takeTurn(at); err != nil {
				return nil, err
			}
		}
		for _, key := range bySlice[s] {
			if row := rows.Get(keyhash.Of(key), key); row != nil {
				picked[key] = row
			}
		}
		r.all.Free(at)
	}
	return picked, nil
}

// need adds the keys of the sources that rows join.
func (r *replay) need(i int, rows map[string]*projections.Row, needed []map[string]bool) error {
	var keys []string
	for _, j := range r.views[i].model.Joins {
		source := r.index[j.Source]
		if needed[source] == nil {
			needed[source] = map[string]bool{}
		}
		for _, row := range rows {
			if row.State != projections.Live {
				continue
			}
			var err error
			if keys, err = j.SourceKeys(keys[:0], r.views[i].model, row); err != nil {
				return err
			}
			for _, key := range keys {
				needed[source][key] = true
			}
		}
	}
	return nil
}
