package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// batch is a run of decoded events: what one transaction folds.
type batch struct {
	// from and next are the checkpoint before and after.
	from, next eventlog.Position
	// caughtUp says that next was the log's head when it was read.
	caughtUp bool
	events   []projections.Event
	touches  []projections.Touch
	// fault is the decoding fault of the event right behind next.
	fault *projections.FoldError
}

// until is the batch up to, not including, the event at position p.
func (b *batch) until(p eventlog.Position) *batch {
	n, _ := slices.BinarySearchFunc(b.events, p.Place(), func(e projections.Event, place int64) int {
		return int(min(1, max(-1, e.Meta.Position.Place()-place)))
	})
	t, _ := slices.BinarySearchFunc(b.touches, n, func(t projections.Touch, n int) int { return t.Event - n })
	return &batch{from: b.from, next: p.At(p.Place() - 1), events: b.events[:n], touches: b.touches[:t]}
}

// folding is a batch on its way into the tables of all views. It implements
// projections.Rows.
type folding struct {
	set   *projections.Set
	s     *hot.Session
	batch *batch
	views []*viewWork
}

// viewWork is one view's part of a batch.
type viewWork struct {
	index int
	model *projections.Model
	table *hot.Table
	rows  map[string]*hot.Stored
	// sources are live rows of this view that others' joins asked for; nil where there is none.
	sources map[string]any
	// changed are the rows of this view that joins of other views must hear of.
	changed []hot.Source
}

func newFolding(set *projections.Set, s *hot.Session, tables []*hot.Table, b *batch) *folding {
	f := &folding{set: set, s: s, batch: b}
	for i, m := range set.Views() {
		f.views = append(f.views, &viewWork{
			index: i, model: m, table: tables[i],
			rows: map[string]*hot.Stored{}, sources: map[string]any{},
		})
	}
	return f
}

// Row is the row that a touch changes.
func (f *folding) Row(view int, key string) *projections.Row {
	w := f.views[view]
	st := w.rows[key]
	if st == nil {
		st = &hot.Stored{Row: w.model.NewRow(key)}
		w.rows[key] = st
	}
	return st.Row
}

// load queues the loading of every row that the batch touches.
func (f *folding) load() {
	keys := make([][]string, len(f.views))
	seen := make([]map[string]bool, len(f.views))
	for i := range seen {
		seen[i] = map[string]bool{}
	}
	for i := range f.batch.touches {
		t := &f.batch.touches[i]
		if !seen[t.View][t.Key] {
			seen[t.View][t.Key] = true
			keys[t.View] = append(keys[t.View], t.Key)
		}
	}
	for i, w := range f.views {
		if len(keys[i]) > 0 {
			w.rows = make(map[string]*hot.Stored, len(keys[i]))
			w.table.LoadOwn(f.s, keys[i], func(st hot.Stored) { w.rows[st.Key] = &st })
		}
	}
}

// write folds and writes; what is left queued goes with the commit.
func (f *folding) write(ctx context.Context) error {
	if err := f.set.Fold(f, f.batch.touches, f.batch.events); err != nil {
		return err
	}
	for _, w := range f.views {
		if err := f.finish(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// finish joins and writes the rows of one view, and brings its sources' changes to
// the rows that the batch did not touch.
func (f *folding) finish(ctx context.Context, w *viewWork) error {
	rows := w.touched()
	if err := f.loadSources(ctx, w, rows); err != nil {
		return err
	}
	changes, err := f.changes(w, rows)
	if err != nil {
		return err
	}
	if err := w.table.Write(ctx, f.s, changes); err != nil {
		return err
	}
	if err := f.fanOut(ctx, w); err != nil {
		return err
	}
	return nil
}

func (w *viewWork) touched() []*hot.Stored {
	rows := make([]*hot.Stored, 0, len(w.rows))
	for _, st := range w.rows {
		if st.Touched >= 0 {
			rows = append(rows, st)
		}
	}
	// By key: two batches lock rows in the same order, and pages of the index are
	// visited once.
	slices.SortFunc(rows, func(a, b *hot.Stored) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return rows
}

// changes joins rows and compares them with what is stored.
func (f *folding) changes(w *viewWork, rows []*hot.Stored) ([]hot.Change, error) {
	changes := make([]hot.Change, 0, len(rows))
	isSource := f.isSource(w)
	for _, st := range rows {
		img, err := f.joinedImage(w, st.Row)
		if err != nil {
			return nil, err
		}
		c := hot.Change{Old: st.Image, New: img}
		if !c.Changed() {
			continue
		}
		changes = append(changes, c)
		if isSource {
			w.changed = append(w.changed, w.table.Source(st.Row, c))
		}
	}
	return changes, nil
}

func (f *folding) isSource(w *viewWork) bool {
	for _, other := range f.views {
		for _, j := range other.model.Joins {
			if j.Source == w.model {
				return true
			}
		}
	}
	return false
}

// joinedImage computes a row's joined columns and encodes it.
func (f *folding) joinedImage(w *viewWork, r *projections.Row) (hot.Image, error) {
	if r.State == projections.Live {
		if err := w.model.Join(r, f.source); err != nil {
			return hot.Image{}, f.placed(err, r)
		}
	}
	img, err := w.table.Encode(r)
	if err != nil {
		return img, f.unstorable(w, r, err)
	}
	return img, nil
}

// placed gives a join's fault the event that touched the row last.
func (f *folding) placed(err error, r *projections.Row) error {
	var fault *projections.FoldError
	if errors.As(err, &fault) && r.Touched >= 0 {
		e := &f.batch.events[r.Touched]
		fault.Position, fault.Type, fault.Stream = e.Meta.Position, e.Route.EventType, e.Meta.Stream
	}
	return err
}

func (f *folding) unstorable(w *viewWork, r *projections.Row, err error) error {
	var m projections.Meta
	eventType := "join"
	if r.Touched >= 0 {
		m, eventType = f.batch.events[r.Touched].Meta, f.batch.events[r.Touched].Route.EventType
	}
	return projections.Unstorable(w.model.Name, r.Key, m, eventType, err)
}

// folded is the number of events and the time of the last.
func (b *batch) folded() (n int, last *time.Time) {
	if n = len(b.events); n > 0 {
		last = &b.events[n-1].Meta.Time
	}
	return n, last
}

func (b *batch) String() string {
	return fmt.Sprintf("%d events up to place %d", len(b.events), b.next.Place())
}
