package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
)

// fanChunk is how many rows a join by a function computes at a time, fanBytes how much
// they have at most: a row may have 64 MiB.
const (
	fanChunk = 2000
	fanBytes = 16 << 20
)

// source answers joins.
func (f *folding) source(j *projections.JoinModel, key string) any {
	if e := f.work(j.Source).rows[key]; e != nil && e.State == projections.Live {
		return e.Value
	}
	return nil
}

func (f *folding) work(m *projections.Model) *viewWork {
	i := slices.IndexFunc(f.views, func(w *viewWork) bool { return w.model == m })
	return f.views[i]
}

// concerned notes which changed sources each join of w looks at.
func (w *viewWork) concerned(f *folding) {
	w.concerns = map[*projections.JoinModel]map[string]bool{}
	for _, j := range w.model.Joins {
		changed := hot.ConcernedBy(j, f.work(j.Source).changed)
		if len(changed) == 0 {
			continue
		}
		keys := make(map[string]bool, len(changed))
		for _, c := range changed {
			keys[c.Key] = true
		}
		w.concerns[j] = keys
	}
}

// noteChange notes what joins of other views see of a row that changed, if they see anything.
func (w *viewWork) noteChange(r *projections.Row, c hot.Change) {
	if !w.isSource {
		return
	}
	if s, visible := w.table.Source(r, c); visible {
		w.changed = append(w.changed, s)
	}
}

// sourceChanged reports whether a row that join j reads changed in this batch.
func (w *viewWork) sourceChanged(j *projections.JoinModel, key string) bool {
	return w.concerns[j][key]
}

// loadSources loads the sources that the joins of rows need and the cache does not know.
func (f *folding) loadSources(ctx context.Context, w *viewWork, rows []*cached) error {
	asked := false
	for i, j := range w.model.Joins {
		source := w.sources[i]
		missing := f.missing(w, source, j, rows)
		if len(missing) > 0 {
			asked = true
			source.table.LoadWhole(f.in, missing, func(st hot.Stored) { f.cache.fill(source.rows[st.Key], st) })
		}
	}
	if !asked {
		return nil
	}
	return f.in.Flush(ctx)
}

// missing is the keys of source that join j of w needs and the cache does not know.
func (f *folding) missing(w *viewWork, source *cachedView, j *projections.JoinModel, rows []*cached) (out []string) {
	var keys []string
	var err error
	for _, e := range rows {
		if e.State != projections.Live || f.keeps(w, e.Stored) {
			continue
		}
		if keys, err = j.SourceKeys(keys[:0], w.model, e.Row); err != nil {
			continue // its join will say so
		}
		for _, key := range keys {
			if e, known := f.cache.use(source, key); !known {
				out = append(out, e.Key)
			}
		}
	}
	return out
}

// fanOut brings changed sources to the rows of w that the batch did not touch. (On
// those that it touched the joins have run: nothing differs there any more.)
func (f *folding) fanOut(ctx context.Context, w *viewWork) error {
	returned := &hot.Rejoined{}
	for _, j := range w.model.Joins {
		changed := hot.ConcernedBy(j, f.work(j.Source).changed)
		if len(changed) == 0 {
			continue
		}
		f.effort.Sources += len(changed)
		if j.ByFunction() {
			if err := f.fanFunction(ctx, w, j, changed, returned); err != nil {
				return err
			}
			continue
		}
		var note func(string)
		if w.isSource || f.cache.watch != nil {
			columns := hot.CopiedFrom(j, changed)
			note = func(key string) {
				f.cache.seen(w.cachedView, key)
				returned.Copied(key, columns)
			}
		}
		w.table.FanCopy(f.out, j, f.work(j.Source).table.Layout, changed, &f.effort.Fanned, note)
	}
	rejoin := slices.DeleteFunc(f.attempt.rejoin(w.index), func(key string) bool { return f.wrote(w, key) })
	for keys := range slices.Chunk(rejoin, fanChunk) {
		if err := f.fanRows(ctx, w, keys, returned); err != nil {
			return err
		}
	}
	return f.passOn(ctx, w, returned)
}

// fanFunction computes the rows anew that depend on changed sources by a function.
func (f *folding) fanFunction(ctx context.Context, w *viewWork, j *projections.JoinModel, changed []hot.Source, returned *hot.Rejoined) error {
	sources := make([]string, len(changed))
	for i, c := range changed {
		sources[i] = c.Key
	}
	return w.table.Dependents(ctx, f.out, j, sources, fanChunk, func(keys []string) error {
		keys = slices.DeleteFunc(keys, func(key string) bool { return f.wrote(w, key) })
		slices.Sort(keys)
		return f.fanRows(ctx, w, keys, returned)
	})
}

// wrote reports whether the batch's events changed a row, so that its joins have run.
func (f *folding) wrote(w *viewWork, key string) bool {
	e := w.rows[key]
	return e != nil && e.batch == f.cache.batch && e.touched && e.Touched >= 0
}

// fanRows computes rows anew that the batch did not touch, as many at a time as have
// fanBytes together.
func (f *folding) fanRows(ctx context.Context, w *viewWork, keys []string, returned *hot.Rejoined) error {
	most := len(keys)
	for len(keys) > 0 {
		n := min(most, len(keys))
		late, err := f.fanSome(ctx, w, keys[:n], returned)
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

// fanSome computes rows anew. Those that the cache knows change in it too; the others do
// not come into it: there may be any number. It returns the keys of those that there was
// no room for.
func (f *folding) fanSome(ctx context.Context, w *viewWork, keys []string, returned *hot.Rejoined) (late []string, err error) {
	var rows, known []*cached
	var unknown []string
	for _, key := range keys {
		f.cache.seen(w.cachedView, key)
		e := w.rows[key]
		if e == nil {
			unknown = append(unknown, key)
			continue
		}
		w.model.Unjoin(e.Row)
		e.Touched = -1
		known = append(known, e)
	}
	if len(unknown) > 0 {
		bytes := 0
		w.table.LoadOwn(f.out, unknown, func(st hot.Stored) {
			if bytes += len(st.Image.Bytes()); bytes > fanBytes && len(rows) > 0 {
				late = append(late, st.Key)
				return
			}
			rows = append(rows, &cached{Stored: st, view: w.cachedView})
		})
		if err := f.out.Flush(ctx); err != nil {
			return nil, err
		}
	}
	return late, f.rejoin(ctx, w, rows, known, returned)
}

// rejoin computes the joins of rows anew, and writes those that changed; known are those
// of the cache.
func (f *folding) rejoin(ctx context.Context, w *viewWork, rows, known []*cached, returned *hot.Rejoined) error {
	rows = append(rows, known...)
	if err := f.loadSources(ctx, w, rows); err != nil {
		return err
	}
	var changes []hot.Change
	var faults foldErrors
	for _, e := range rows {
		c, err := f.changeRow(w, &e.Stored)
		if fault := (*projections.FoldError)(nil); errors.As(err, &fault) {
			f.cache.forget(e)
			if !f.attempt.RowWaits(parking.Row{View: w.index, Key: e.Key}) { // else it is known, and stays as it was
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
		if w.rows[e.Key] == e {
			f.cache.settle(e)
		}
	}
	w.table.Write(f.out, changes)
	return nil
}

// passOn adds rows that only their joins changed to those that views further down
// depend on.
func (f *folding) passOn(ctx context.Context, w *viewWork, returned *hot.Rejoined) error {
	if !w.isSource || len(w.model.Joins) == 0 {
		return nil
	}
	if err := f.out.Flush(ctx); err != nil { // the copies' answers
		return err
	}
	keys := slices.DeleteFunc(returned.Keys(), func(key string) bool { return f.wrote(w, key) })
	if len(keys) == 0 {
		return nil
	}
	w.table.LoadWhole(f.out, keys, func(st hot.Stored) {
		e, _ := f.cache.use(w.cachedView, st.Key)
		f.cache.fill(e, st)
		w.changed = append(w.changed, returned.Source(e.Stored))
	})
	return f.out.Flush(ctx)
}
