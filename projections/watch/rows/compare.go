package rows

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/watch"
)

const (
	// near is how many places the checkpoint may be ahead of the fold for the rest to be
	// folded inside of the snapshot.
	near = 2_000
	// chunk is how many rows are read and compared at a time.
	chunk = 500
	// surplusMost is how many rows that no event names are looked at of one slice.
	surplusMost = 1_000
	// foundMost is how many differences of one slice are kept; suspectsMost bounds the rows
	// that are looked at for a difference in a joined column.
	foundMost, suspectsMost = 100, 100
)

// errFar is returned inside of a snapshot whose checkpoint is too far ahead of the fold.
var errFar = errors.New("the checkpoint is ahead")

// compareNext folds and compares the next slice of a view; the outcome is in its state.
func (w *watcher) compareNext(ctx context.Context, v *view) (c Compared, err error) {
	var f footing
	if err := w.snapshot(ctx, v, func(_ pgx.Tx, now footing) error { f = now; return nil }); err != nil {
		return c, err
	}
	g, live := f.generations[v.model.Name]
	if !live {
		return c, errMoved // it is being built
	}
	if v.state.Version != v.model.Version || v.state.Generation != g.Number {
		v.state.Restart(v.model.Version, g.Number)
	}
	if v.state.Began.IsZero() {
		v.state.Began = time.Now().UTC()
	}
	s := w.newSlice(v, f)
	for {
		if err := s.foldTo(ctx, w.Log, f.at, f.parked, w.PageEvents, func(events int) error { return w.Pace.Wait(ctx, events) }); err != nil {
			return c, err
		}
		c, err = w.compare(ctx, s, &f)
		if !errors.Is(err, errFar) {
			break
		}
	}
	if err != nil {
		return c, err
	}
	w.take(ctx, s, &c)
	return c, nil
}

// compare compares a slice in one snapshot, of which f is the footing then.
func (w *watcher) compare(ctx context.Context, s *slice, f *footing) (c Compared, err error) {
	owed, began := 0, time.Now()
	err = w.snapshot(ctx, s.view, func(tx pgx.Tx, now footing) error {
		*f = now
		if now.generations[s.view.model.Name] != s.generation {
			return errMoved
		}
		if now.at.Place()-s.at.Place() > near {
			return errFar
		}
		if err := s.foldTo(ctx, w.Log, now.at, now.parked, w.PageEvents, func(events int) error { owed += events; return nil }); err != nil {
			return err
		}
		if s.left, err = s.stale(now.parked); err != nil {
			return err
		}
		x := &comparison{slice: s, tx: tx, footing: now, table: hot.NewTable(s.view.layout, s.generation.Table)}
		if err := x.run(ctx); err != nil {
			return err
		}
		c = Compared{View: s.view.model.Name, From: s.from, Last: s.last, Position: now.at, Rows: x.compared, Left: len(s.left), Found: x.found}
		return nil
	})
	c.Took, c.Events, c.Bytes = time.Since(began), s.events, max(s.most, s.bytes)
	if owed > 0 && err == nil {
		err = w.Pace.Wait(ctx, owed) // the snapshot did not wait
	}
	return c, err
}

// take brings what was found into the view's state, and moves it to the next slice.
func (w *watcher) take(ctx context.Context, s *slice, c *Compared) {
	v, now := s.view, time.Now().UTC()
	v.state.Compared += int64(c.Rows)
	compared := func(d *watch.Difference) bool { return s.extra[d.Key] && !s.left[d.Key] }
	v.state.Take(ctx, w.Logger, w.Projector, c.Found, compared, now)
	clear(v.suspects)
	for name, keys := range s.sourceKeys {
		for _, key := range keys {
			w.view(name).suspects[key] = true
		}
	}
	v.width = s.last - s.from
	if c.Bytes < s.budget/2 && v.width <= hashMost/2 {
		v.width = v.width*2 + 1
	}
	if s.last == hashMost {
		c.Turn = true
		v.state.Finish(now, c.Position.Place())
		return
	}
	v.state.Next = s.last + 1
}

// comparison is a slice beside its table, in a snapshot.
type comparison struct {
	slice    *slice
	footing  footing
	tx       pgx.Tx
	table    *hot.Table
	compared int
	found    []watch.Difference
}

func (x *comparison) run(ctx context.Context) error {
	keys := slices.AppendSeq(make([]string, 0, len(x.slice.rows)), maps.Keys(x.slice.rows))
	surplus := 0
	err := x.table.ScanKeys(ctx, x.tx, func(key string) error {
		if x.slice.rows[key] == nil && x.slice.has(key) && surplus < surplusMost {
			keys, surplus = append(keys, key), surplus+1
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(keys)
	for some := range slices.Chunk(keys, chunk) {
		if err := x.compareRows(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (x *comparison) compareRows(ctx context.Context, keys []string) error {
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return x.slice.left[key] })
	stored, err := x.table.Images(ctx, x.tx, keys)
	if err != nil {
		return err
	}
	sources, err := x.loadSources(ctx, keys)
	if err != nil {
		return err
	}
	for _, key := range keys {
		folded, joinless, err := x.finish(key, sources)
		if err != nil {
			return err
		}
		if joinless {
			x.slice.left[key] = true
			continue
		}
		x.compared++
		if d := x.difference(key, stored[key], folded); d != nil && len(x.found) < foundMost {
			x.found = append(x.found, *d)
		}
	}
	return nil
}

// sourceRows are live rows of sources as they are stored.
type sourceRows map[*projections.JoinModel]map[string]any

// loadSources loads what the joins of rows need.
func (x *comparison) loadSources(ctx context.Context, keys []string) (sourceRows, error) {
	found := sourceRows{}
	for _, j := range x.slice.view.model.Joins {
		layout, err := hot.NewLayout(j.Source)
		if err != nil {
			return nil, err
		}
		table := hot.NewTable(layout, x.footing.generations[j.Source.Name].Table)
		found[j] = map[string]any{}
		for some := range slices.Chunk(x.keysOf(j, keys), chunk) {
			images, err := table.Images(ctx, x.tx, some)
			if err != nil {
				return nil, err
			}
			for key, img := range images {
				row, err := layout.Row(img)
				if err != nil {
					return nil, err
				}
				if row.State == projections.Live {
					found[j][key] = row.Value
				}
			}
		}
	}
	return found, nil
}

// keysOf are the source keys that a join needs for rows, each once.
func (x *comparison) keysOf(j *projections.JoinModel, keys []string) []string {
	seen := map[string]bool{}
	var some []string
	for _, key := range keys {
		row := x.slice.rows[key]
		if row == nil || row.State != projections.Live {
			continue
		}
		var err error
		if some, err = j.SourceKeys(some[:0], x.slice.view.model, row); err != nil {
			continue // its join will say so
		}
		for _, k := range some {
			seen[k] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// finish computes a row's joined columns and its image. A row that waits may be one whose
// joins fail: nobody can say what its joined columns should be.
func (x *comparison) finish(key string, sources sourceRows) (img hot.Image, joinless bool, err error) {
	row := x.slice.rows[key]
	if row == nil || row.State == projections.Absent {
		return hot.Image{}, false, nil
	}
	if row.State == projections.Live {
		lookup := func(j *projections.JoinModel, key string) any { return sources[j][key] }
		err = x.slice.view.model.Join(row, lookup)
	}
	if err == nil {
		if img, err = x.slice.view.layout.Encode(row); err != nil {
			err = &projections.FoldError{View: x.slice.view.model.Name, Key: key, Type: "row", Err: err}
		}
	}
	if err != nil && x.footing.parked.waits[key] {
		return hot.Image{}, true, nil
	}
	return img, false, err
}
