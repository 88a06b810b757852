package fold

import (
	"context"
	"errors"
	"slices"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/internal/cache"
	"github.com/readside/readside/projections/parking"
)

// fanChunk is how many rows a join by a function computes at a time, fanBytes how much
// they have at most: a row may have 64 MiB.
const (
	fanChunk = 2000
	fanBytes = 16 << 20
)

// source returns the value of a live source row, for joins; nil where there is none.
func (f *Folding) source(j *projections.JoinModel, key string) any {
	if e := f.view(j.Source).Rows[key]; e != nil && e.State == projections.Live {
		return e.Value
	}
	return nil
}

func (f *Folding) view(m *projections.Model) *view {
	i := slices.IndexFunc(f.views, func(v *view) bool { return v.Model == m })
	return f.views[i]
}

// concerned notes which changed sources each join of v looks at.
func (v *view) concerned(f *Folding) {
	v.concerns = map[*projections.JoinModel]map[string]bool{}
	for _, j := range v.Model.Joins {
		changed := hot.ConcernedBy(j, f.view(j.Source).changed)
		if len(changed) == 0 {
			continue
		}
		keys := make(map[string]bool, len(changed))
		for _, c := range changed {
			keys[c.Key] = true
		}
		v.concerns[j] = keys
	}
}

// noteChange notes what joins of other views see of a row that changed, if they see anything.
func (v *view) noteChange(r *projections.Row, c hot.Change) {
	if !v.IsSource {
		return
	}
	if s, visible := v.Table.Source(r, c); visible {
		v.changed = append(v.changed, s)
	}
}

// sourceChanged reports whether a row that join j reads changed in this batch.
func (v *view) sourceChanged(j *projections.JoinModel, key string) bool {
	return v.concerns[j][key]
}

// loadSources loads the sources that the joins of rows need and the cache does not know.
func (f *Folding) loadSources(ctx context.Context, v *view, rows []*cache.Row) error {
	asked := false
	for i, j := range v.Model.Joins {
		source := v.Sources[i]
		missing := f.missing(v, source, j, rows)
		if len(missing) > 0 {
			asked = true
			source.Table.LoadWhole(f.in, missing, func(st hot.Stored) { f.cache.Fill(source.Rows[st.Key], st) })
		}
	}
	if !asked {
		return nil
	}
	return f.in.Flush(ctx)
}

// missing is the keys of source that join j of v needs and the cache does not know.
func (f *Folding) missing(v *view, source *cache.View, j *projections.JoinModel, rows []*cache.Row) (out []string) {
	var keys []string
	var err error
	for _, e := range rows {
		if e.State != projections.Live || f.keeps(v, e.Stored) {
			continue
		}
		if keys, err = j.SourceKeys(keys[:0], v.Model, e.Row); err != nil {
			continue // its join will say so
		}
		for _, key := range keys {
			if e, known := f.cache.Use(source, key); !known {
				out = append(out, e.Key)
			}
		}
	}
	return out
}

// fanOut brings changed sources to the rows of v that the batch did not touch. (On
// those that it touched the joins have run: nothing differs there any more.)
func (f *Folding) fanOut(ctx context.Context, v *view) error {
	returned := &hot.Rejoined{}
	for _, j := range v.Model.Joins {
		changed := hot.ConcernedBy(j, f.view(j.Source).changed)
		if len(changed) == 0 {
			continue
		}
		f.effort.Sources += len(changed)
		if j.ByFunction() {
			if err := f.fanFunction(ctx, v, j, changed, returned); err != nil {
				return err
			}
			continue
		}
		var note func(string)
		if v.IsSource || f.cache.Watch != nil {
			columns := hot.CopiedFrom(j, changed)
			note = func(key string) {
				f.cache.Seen(v.View, key)
				returned.Copied(key, columns)
			}
		}
		v.Table.FanCopy(f.out, j, f.view(j.Source).Table.Layout, changed, &f.effort.Fanned, note)
	}
	rejoin := slices.DeleteFunc(f.attempt.rejoin(v.Index), func(key string) bool { return f.wrote(v, key) })
	for keys := range slices.Chunk(rejoin, fanChunk) {
		if err := f.fanRows(ctx, v, keys, returned); err != nil {
			return err
		}
	}
	return f.passOn(ctx, v, returned)
}

// fanFunction computes the rows again that depend on changed sources by a function.
func (f *Folding) fanFunction(ctx context.Context, v *view, j *projections.JoinModel, changed []hot.Source, returned *hot.Rejoined) error {
	sources := make([]string, len(changed))
	for i, c := range changed {
		sources[i] = c.Key
	}
	return v.Table.Dependents(ctx, f.out, j, sources, fanChunk, func(keys []string) error {
		keys = slices.DeleteFunc(keys, func(key string) bool { return f.wrote(v, key) })
		slices.Sort(keys)
		return f.fanRows(ctx, v, keys, returned)
	})
}

// wrote reports whether the batch's events changed a row, so that its joins have run.
func (f *Folding) wrote(v *view, key string) bool {
	e := v.Rows[key]
	return e != nil && e.Batch == f.cache.Batch && e.Concerned && e.Touched >= 0
}

// fanRows computes rows again that the batch did not touch, as many at a time as have
// fanBytes together.
func (f *Folding) fanRows(ctx context.Context, v *view, keys []string, returned *hot.Rejoined) error {
	most := len(keys)
	for len(keys) > 0 {
		n := min(most, len(keys))
		late, err := f.fanSome(ctx, v, keys[:n], returned)
		if err != nil {
			return err
		}
		if keys = keys[n:]; len(late) > 0 {
			most = max(1, n-len(late)) // as many as there was room for
			keys = append(late, keys...)
		}
	}
	return nil
}

// fanSome computes rows again. Those that the cache knows change in it too; the others do
// not come into it: there may be any number. It returns the keys of those that there was
// no room for.
func (f *Folding) fanSome(ctx context.Context, v *view, keys []string, returned *hot.Rejoined) (late []string, err error) {
	var rows, known []*cache.Row
	var unknown []string
	for _, key := range keys {
		f.cache.Seen(v.View, key)
		e := v.Rows[key]
		if e == nil {
			unknown = append(unknown, key)
			continue
		}
		v.Model.Unjoin(e.Row)
		e.Touched = -1
		known = append(known, e)
	}
	if len(unknown) > 0 {
		bytes := 0
		v.Table.LoadOwn(f.out, unknown, func(st hot.Stored) {
			if bytes += len(st.Image.Bytes()); bytes > fanBytes && len(rows) > 0 {
				late = append(late, st.Key)
				return
			}
			rows = append(rows, &cache.Row{Stored: st, View: v.View})
		})
		if err := f.out.Flush(ctx); err != nil {
			return nil, err
		}
	}
	return late, f.rejoin(ctx, v, rows, known, returned)
}

// rejoin computes the joins of rows again, and writes those that changed; known are those
// of the cache.
func (f *Folding) rejoin(ctx context.Context, v *view, rows, known []*cache.Row, returned *hot.Rejoined) error {
	rows = append(rows, known...)
	if err := f.loadSources(ctx, v, rows); err != nil {
		return err
	}
	var changes []hot.Change
	var faults Faults
	for _, e := range rows {
		c, err := f.changeRow(v, &e.Stored)
		if fault := (*projections.FoldError)(nil); errors.As(err, &fault) {
			f.cache.Forget(e)
			if !f.attempt.RowWaits(parking.Row{View: v.Index, Key: e.Key}) { // else it is known, and stays as it was
				faults = append(faults, fault)
			}
			continue
		}
		if err != nil {
			return err
		}
		if c.Changed() {
			changes = append(changes, c)
			f.effort.Fanned++
			returned.Computed(e.Key, c)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	for _, e := range known {
		if v.Rows[e.Key] == e {
			f.cache.Settle(e)
		}
	}
	v.Table.Write(f.out, changes)
	return nil
}

// passOn adds rows that only their joins changed to those that views further down
// depend on.
func (f *Folding) passOn(ctx context.Context, v *view, returned *hot.Rejoined) error {
	if !v.IsSource || len(v.Model.Joins) == 0 {
		return nil
	}
	if err := f.out.Flush(ctx); err != nil { // what the copies returned
		return err
	}
	keys := slices.DeleteFunc(returned.Keys(), func(key string) bool { return f.wrote(v, key) })
	if len(keys) == 0 {
		return nil
	}
	v.Table.LoadWhole(f.out, keys, func(st hot.Stored) {
		e, _ := f.cache.Use(v.View, st.Key)
		f.cache.Fill(e, st)
		v.changed = append(v.changed, returned.Source(e.Stored))
	})
	return f.out.Flush(ctx)
}
