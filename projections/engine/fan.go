package engine

import (
	"context"
	"slices"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// fanChunk is how many rows a join by a function computes at a time.
const fanChunk = 2000

// source answers joins: rows of this batch from memory, others as loaded.
func (f *folding) source(j *projections.JoinModel, key string) any {
	w := f.work(j.Source)
	if st, ok := w.rows[key]; ok {
		if st.State == projections.Live {
			return st.Value
		}
		return nil
	}
	return w.sources[key]
}

func (f *folding) work(m *projections.Model) *viewWork {
	i := slices.IndexFunc(f.views, func(w *viewWork) bool { return w.model == m })
	return f.views[i]
}

// loadSources loads the sources that the joins of rows need and the batch has not.
func (f *folding) loadSources(ctx context.Context, w *viewWork, rows []*hot.Stored) error {
	asked := false
	for _, j := range w.model.Joins {
		source := f.work(j.Source)
		missing, err := f.missing(source, w.model, j, rows)
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			asked = true
			source.table.LoadSources(f.s, missing, func(st hot.Stored) { source.sources[st.Key] = st.Value })
		}
	}
	if !asked {
		return nil
	}
	return f.s.Flush(ctx)
}

// missing is the keys of w that join j of view m needs and the batch does not know
// yet. They are remembered as absent until they are loaded.
func (f *folding) missing(w *viewWork, m *projections.Model, j *projections.JoinModel, rows []*hot.Stored) (out []string, err error) {
	var keys []string
	for _, st := range rows {
		if st.State != projections.Live {
			continue
		}
		if keys, err = j.SourceKeys(keys[:0], m, st.Row); err != nil {
			return nil, f.placed(err, st.Row)
		}
		for _, key := range keys {
			if _, ok := w.rows[key]; ok {
				continue
			}
			if _, ok := w.sources[key]; !ok {
				w.sources[key] = nil
				out = append(out, key)
			}
		}
	}
	return out, nil
}

// fanOut brings changed sources to the rows of w that the batch did not touch. (On
// those that it touched the joins have run: nothing differs there any more.)
func (f *folding) fanOut(ctx context.Context, w *viewWork) error {
	returned := map[string]bool{}
	for _, j := range w.model.Joins {
		changed := hot.ConcernedBy(j, f.work(j.Source).changed)
		if len(changed) == 0 {
			continue
		}
		if j.ByFunction() {
			if err := f.fanFunction(ctx, w, j, changed, returned); err != nil {
				return err
			}
			continue
		}
		var note func(string)
		if f.isSource(w) {
			note = func(key string) { returned[key] = true }
		}
		w.table.FanCopy(f.s, j, f.work(j.Source).table.Layout, changed, note)
	}
	return f.passOn(ctx, w, returned)
}

// fanFunction computes the rows anew that depend on changed sources by a function.
func (f *folding) fanFunction(ctx context.Context, w *viewWork, j *projections.JoinModel, changed []hot.Source, returned map[string]bool) error {
	sources := make([]string, len(changed))
	for i, c := range changed {
		sources[i] = c.Key
	}
	var keys []string
	w.table.Dependents(f.s, j, sources, func(key string) {
		if st, ok := w.rows[key]; !ok || st.Touched < 0 {
			keys = append(keys, key)
		}
	})
	if err := f.s.Flush(ctx); err != nil {
		return err
	}
	slices.Sort(keys)
	for chunk := range slices.Chunk(keys, fanChunk) {
		if err := f.fanRows(ctx, w, chunk, returned); err != nil {
			return err
		}
	}
	return nil
}

func (f *folding) fanRows(ctx context.Context, w *viewWork, keys []string, returned map[string]bool) error {
	var rows []*hot.Stored
	w.table.LoadOwn(f.s, keys, func(st hot.Stored) { rows = append(rows, &st) })
	if err := f.s.Flush(ctx); err != nil {
		return err
	}
	if err := f.loadSources(ctx, w, rows); err != nil {
		return err
	}
	var changes []hot.Change
	for _, st := range rows {
		img, err := f.joinedImage(w, st.Row)
		if err != nil {
			return err
		}
		if c := (hot.Change{Old: st.Image, New: img}); c.Changed() {
			changes = append(changes, c)
			returned[st.Key] = true
		}
	}
	return w.table.Write(ctx, f.s, changes)
}

// passOn adds rows that only their joins changed to those that views further down
// must hear of.
func (f *folding) passOn(ctx context.Context, w *viewWork, returned map[string]bool) error {
	if !f.isSource(w) || !f.hasCopies(w) {
		return nil
	}
	if err := f.s.Flush(ctx); err != nil { // the copies' answers
		return err
	}
	keys := make([]string, 0, len(returned))
	for key := range returned {
		if st, ok := w.rows[key]; !ok || st.Touched < 0 {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	w.table.LoadSources(f.s, keys, func(st hot.Stored) {
		w.sources[st.Key] = st.Value
		w.changed = append(w.changed, hot.Joined(st))
	})
	return f.s.Flush(ctx)
}

func (f *folding) hasCopies(w *viewWork) bool { return len(w.model.Joins) > 0 }
