package replay

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/internal/replay/queue"
	"github.com/readside/readside/internal/replay/rowtable"
	"github.com/readside/readside/internal/replay/waiting"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/progress"
)

// joinRows is how many rows are joined at a time, and sourceKeys how many sources
// are asked for at a time.
const (
	joinRows   = 2000
	sourceKeys = 2000
)

// handOut finishes the slices and hands them to the sink; the next ones are finished
// while the sink works on one.
func (r *replay) handOut(ctx context.Context, sink Sink) error {
	group, ctx := errgroup.WithContext(ctx)
	ready := queue.New[Slice](r.cfg.aheadBytes(), r.cfg.Slices)
	group.Go(func() error {
		defer ready.Close()
		return r.finishAll(ctx, ready)
	})
	group.Go(func() error {
		return ready.Each(func(s Slice) error {
			if err := sink(ctx, s); err != nil {
				return err
			}
			r.handedOut += int64(len(s.Rows))
			if r.views[r.index[s.View]].wanted {
				r.partsOut++
			}
			r.tell(progress.Fold{
				Phase: progress.Rows, Place: r.cfg.Until.Place(), View: s.View.Name, Slice: s.Number, HandedOut: r.partsOut, Rows: r.handedOut,
			})
			return nil
		})
	})
	return group.Wait()
}

func (r *replay) finishAll(ctx context.Context, out *queue.Queue[Slice]) error {
	for i := range r.views {
		v := &r.views[i]
		if !v.folded {
			continue
		}
		r.release(i)
		if r.asksFor(v) {
			if err := out.Drain(ctx); err != nil {
				return err
			}
		}
		for s := range r.cfg.Slices {
			if v.done != nil && v.done[s] {
				continue
			}
			slice, bytes, err := r.finish(ctx, i, s)
			if err != nil {
				return err
			}
			if !v.wanted && len(slice.Sources) == 0 {
				continue
			}
			if err := out.Add(ctx, slice, bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// asksFor reports whether joins of v need rows that the sink must have stored.
func (r *replay) asksFor(v *view) bool {
	for _, j := range v.model.Joins {
		if r.views[r.index[j.Source]].asked {
			return true
		}
	}
	return false
}

// release frees the sources that no view from i on joins.
func (r *replay) release(i int) {
	for s := range r.views[:i] {
		if r.views[s].usedUntil >= i {
			continue
		}
		for k := range r.cfg.Slices {
			r.all.Free(r.part(s, k))
		}
	}
}

// finish folds, joins and encodes one slice, and says what about it takes.
func (r *replay) finish(ctx context.Context, i, slice int) (Slice, int64, error) {
	at := r.part(i, slice)
	p, v := r.all.At(at), &r.views[i]
	if p.Spilled {
		rows, bytes, err := r.takeTurn(at)
		if err != nil {
			return Slice{}, 0, err
		}
		r.all.Fold(p, rows, bytes)
	}
	out := r.newSlice(v, slice, p.Rows.Len())
	rows := slices.Grow(r.rows[:0], p.Rows.Len())
	for _, row := range p.Rows.All() {
		rows = append(rows, row)
	}
	r.rows = rows
	defer clear(r.rows)
	// Sources are held as long as they fit.
	keep := v.usedUntil > i && (r.cfg.Sources == nil || r.all.Fit())
	letGo := v.usedUntil > i && !keep
	for len(rows) > 0 {
		n := min(joinRows, len(rows))
		if err := r.finishRows(ctx, i, rows[:n], &out, letGo); err != nil {
			return Slice{}, 0, err
		}
		rows = rows[n:]
	}
	if letGo {
		p.Gone, v.asked = true, true
	}
	out.Seal()
	// Its keys are parts of what the rows hold; joined columns count in the images only.
	bytes := p.Bytes() + out.ImageBytes()
	if !keep {
		r.all.Free(at)
	}
	return out, bytes, nil
}

// newSlice is a slice without rows, with room for some.
func (r *replay) newSlice(v *view, slice, rows int) Slice {
	out := r.spare.New(v.model, slice, r.cfg.Slices)
	r.encoder.Blocks = out.Blocks()
	if v.wanted {
		out.Grow(rows)
	}
	return out
}

func (r *replay) finishRows(ctx context.Context, i int, rows []*projections.Row, out *Slice, letGo bool) error {
	v := &r.views[i]
	var refused []string
	for try := 0; ; try++ {
		loaded, err := r.load(ctx, v, rows)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(rows, lookUpRows) {
			found := r.findSources(v, some)
			for i, row := range some {
				lookup := func(j *projections.JoinModel, key string) any { return r.source(loaded, j, key, found.of(j, i)) }
				err := r.finishRow(v, row, lookup, out, letGo)
				if err == nil {
					continue
				}
				if r.cfg.Faults == nil || try > 0 {
					return err
				}
				refused = append(refused, row.Key)
			}
		}
		if len(refused) == 0 {
			return nil
		}
		if rows, err = r.replace(ctx, i, refused); err != nil {
			return err
		}
		refused = nil
	}
}

// replace folds rows that cannot be finished up to the event that is to blame.
func (r *replay) replace(ctx context.Context, i int, keys []string) ([]*projections.Row, error) {
	found, err := r.unfinished(ctx, i, keys)
	if err != nil {
		return nil, err
	}
	rows := make([]*projections.Row, 0, len(keys))
	for _, key := range keys {
		hash := keyhash.Of(key)
		p := r.all.At(r.part(i, r.slice(hash)))
		if row := found[waiting.ID{View: i, Name: key}]; row != nil {
			p.Rows.Put(hash, row)
		}
		rows = append(rows, p.Rows.Get(hash, key))
	}
	return rows, nil
}

// finishRow joins and encodes a row.
func (r *replay) finishRow(v *view, row *projections.Row, lookup projections.Sources, out *Slice, letGo bool) *projections.FoldError {
	if row.State == projections.Absent {
		return nil
	}
	joinless := false
	if fault := r.join(v, row, lookup); fault != nil {
		if r.cfg.Joinless == nil || !r.cfg.Joinless(v.model, row.Key) {
			return fault
		}
		v.model.Unjoin(row)
		joinless = true
	}
	handed := v.wanted && (r.cfg.Keep == nil || r.cfg.Keep(v.model, row.Key))
	stored := letGo && row.State == projections.Live
	if !handed && !stored {
		return nil
	}
	img, fault := r.image(&r.encoder, v, row)
	if fault != nil {
		return fault
	}
	finished := Row{Key: row.Key, State: row.State, Image: img, Joinless: joinless}
	if handed {
		out.Rows = append(out.Rows, finished)
	}
	if stored {
		out.Sources = append(out.Sources, finished)
	}
	return nil
}

// source answers a join: from memory, where likely is most likely the row, or from what
// was loaded.
func (r *replay) source(loaded []map[string]any, j *projections.JoinModel, key string, likely rowtable.Found) any {
	i := r.index[j.Source]
	hash := keyhash.Of(key)
	slice := r.slice(hash)
	p := r.all.At(r.part(i, slice))
	if r.elsewhere(i, slice) {
		return loaded[i][key]
	}
	row := likely.Row
	if row == nil || likely.Key != key {
		row = p.Rows.Get(hash, key)
	}
	if row != nil && row.State == projections.Live {
		return row.Value
	}
	return nil
}

// elsewhere reports whether a slice's rows are not in memory any more.
func (r *replay) elsewhere(i, slice int) bool {
	done := r.views[i].done
	return r.all.At(r.part(i, slice)).Gone || done != nil && done[slice]
}

// load asks Sources for what the joins of rows need and memory does not hold.
func (r *replay) load(ctx context.Context, v *view, rows []*projections.Row) ([]map[string]any, error) {
	var loaded []map[string]any
	for _, j := range v.model.Joins {
		i := r.index[j.Source]
		for keys := r.missing(v, j, rows); len(keys) > 0; {
			if loaded == nil {
				loaded = make([]map[string]any, len(r.views))
			}
			if loaded[i] == nil {
				loaded[i] = map[string]any{}
			}
			n := min(sourceKeys, len(keys))
			found, err := r.cfg.Sources.Load(ctx, j.Source, keys[:n])
			if err != nil {
				return nil, err
			}
			for key, value := range found {
				loaded[i][key] = value
			}
			keys = keys[n:]
		}
	}
	if loaded == nil {
		loaded = r.nothing
	}
	return loaded, nil
}

// missing are the keys of sources that rows need and that are not in memory.
func (r *replay) missing(v *view, j *projections.JoinModel, rows []*projections.Row) (missing []string) {
	i := r.index[j.Source]
	if s := &r.views[i]; !s.asked && s.done == nil {
		return nil
	}
	seen := map[string]bool{}
	var keys []string
	var err error
	for _, row := range rows {
		if row.State != projections.Live {
			continue
		}
		if keys, err = j.SourceKeys(keys[:0], v.model, row); err != nil {
			continue // its join will say so
		}
		for _, key := range keys {
			if !seen[key] && r.elsewhere(i, r.slice(keyhash.Of(key))) {
				seen[key] = true
				missing = append(missing, key)
			}
		}
	}
	return missing
}
