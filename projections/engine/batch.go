package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// batch is a run of decoded events: what one transaction folds.
type batch struct {
	// from and next are the checkpoint before and after.
	from, next eventlog.Position
	// caughtUp reports whether next was the log's head when it was read.
	caughtUp bool
	events   []projections.Event
	touches  []projections.Touch
	// broken are events that touch nobody knows which rows.
	broken []projections.Broken
	// bytes is how much the events' data have.
	bytes int
}

// with is the batch together with the one behind it.
func (b *batch) with(next *batch) *batch {
	for i := range next.touches {
		next.touches[i].Event += len(b.events)
	}
	return &batch{
		from: b.from, next: next.next, caughtUp: next.caughtUp,
		events: append(b.events, next.events...), touches: append(b.touches, next.touches...), broken: append(b.broken, next.broken...),
		bytes: b.bytes + next.bytes,
	}
}

// folding is a batch on its way into the tables of all views. It implements
// projections.Rows.
type folding struct {
	set   *projections.Set
	cache *cache
	// in is where rows are loaded, out where writes are gathered.
	in, out *hot.Session
	batch   *batch
	// attempt says what of the batch is folded, and what waits.
	attempt *attempt
	// again, unless nil, reads events of the batch again.
	again func(ctx context.Context, places []int64) ([]eventlog.Event, error)
	// number is the batch's number in the cache; failed is what ended its folding.
	number int64
	failed error
	// done is closed when the batch is committed.
	done  chan struct{}
	views []*viewWork
	enc   hot.Encoder
	// effort is what the batch came to; what statements add to it is known when they ran.
	effort Effort
}

// viewWork is one view's part of a batch.
type viewWork struct {
	*cachedView
	// touched are the rows that the batch's events concern.
	touched []*cached
	// changes are those of them that are to be written.
	changes []hot.Change
	// changed are the rows of this view that joins of other views depend on.
	changed []hot.Source
	// concerns are for each join the keys of the changed sources that it looks at.
	concerns map[*projections.JoinModel]map[string]bool
}

func newFolding(set *projections.Set, c *cache, in, out *hot.Session, b *batch, a *attempt) *folding {
	c.batch++
	f := &folding{set: set, cache: c, in: in, out: out, batch: b, attempt: a, number: c.batch, done: make(chan struct{})}
	for _, v := range c.views {
		f.views = append(f.views, &viewWork{cachedView: v})
	}
	return f
}

// ahead reports whether the batch was folded without its transaction.
func (f *folding) ahead() bool { return f.in != f.out }

// Row is the row that a touch changes.
func (f *folding) Row(view int, key string) *projections.Row {
	return f.views[view].rows[key].Row
}

// load finds every row that the batch touches, and queues the loading of those that
// the cache does not know; asked says that there are some.
func (f *folding) load() (asked bool) {
	keys := make([][]string, len(f.views))
	for i := range f.attempt.Touches {
		t := &f.attempt.Touches[i]
		w := f.views[t.View]
		e, known := f.cache.use(w.cachedView, t.Key)
		t.Row = e.Row
		if !known {
			keys[t.View] = append(keys[t.View], e.Key)
		}
		if !e.touched {
			e.touched = true
			f.cache.seen(w.cachedView, e.Key)
			w.touched = append(w.touched, e)
			w.model.Unjoin(e.Row)
		}
	}
	for i, w := range f.views {
		if len(keys[i]) > 0 {
			asked = true
			w.table.LoadOwn(f.in, keys[i], func(st hot.Stored) { f.cache.fill(w.rows[st.Key], st) })
		}
	}
	return asked
}

// fold loads, folds and gathers the writes; what is left queued goes with the commit.
func (f *folding) fold(ctx context.Context) error {
	if f.load() {
		if err := f.in.Flush(ctx); err != nil {
			return err
		}
	}
	return f.write(ctx)
}

func (f *folding) write(ctx context.Context) error {
	if faults := f.set.FoldAll(f, f.attempt.Touches, f.batch.events); len(faults) > 0 {
		return foldErrors(faults)
	}
	f.effort.count(f.attempt.Touches)
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
	if err := f.change(ctx, w); err != nil {
		return err
	}
	f.effort.Rows += len(w.changes)
	w.table.Write(f.out, w.changes)
	return f.fanOut(ctx, w)
}

// change joins the rows of one view and finds those that are to be written.
func (f *folding) change(ctx context.Context, w *viewWork) error {
	w.concerned(f)
	rows := w.folded()
	if err := f.loadSources(ctx, w, rows); err != nil {
		return err
	}
	w.changes = make([]hot.Change, 0, len(rows))
	var faults foldErrors
	for _, e := range rows {
		c, err := f.changeRow(w, &e.Stored)
		if fault := (*projections.FoldError)(nil); errors.As(err, &fault) {
			faults = append(faults, fault)
			continue
		}
		if err != nil {
			return err
		}
		f.cache.settle(e)
		if !c.Changed() {
			continue
		}
		w.changes = append(w.changes, c)
		w.noteChange(e.Row, c)
	}
	if len(faults) > 0 {
		return f.blame(ctx, w, faults)
	}
	return nil
}

// folded are the rows that an event changed, by key: two batches lock rows in the
// same order, and pages of the index are visited once.
func (w *viewWork) folded() []*cached {
	rows := make([]*cached, 0, len(w.touched))
	for _, e := range w.touched {
		if e.Touched >= 0 {
			rows = append(rows, e)
		}
	}
	slices.SortFunc(rows, func(a, b *cached) int { return strings.Compare(a.Key, b.Key) })
	return rows
}

// changeRow joins a row, whose image is what was stored, and gives it its new image.
func (f *folding) changeRow(w *viewWork, st *hot.Stored) (hot.Change, error) {
	keep := f.keeps(w, *st)
	if st.State == projections.Live && !keep {
		if err := w.model.Join(st.Row, f.source); err != nil {
			return hot.Change{}, f.placed(err, st.Row)
		}
	}
	img, err := f.enc.Encode(w.table.Layout, st.Row, st.Image, keep)
	if err != nil {
		return hot.Change{}, f.unstorable(w, st.Row, err)
	}
	c := w.table.Change(st.Image, img, keep, w.sourceChanged)
	st.Image = img
	return c, nil
}

// keeps reports whether no joined column of a row changes, so that they need not be computed.
func (f *folding) keeps(w *viewWork, st hot.Stored) bool {
	if !w.lazy || len(w.model.Joins) == 0 || !w.table.SameSources(st.Image, st.Row) {
		return false
	}
	for _, j := range w.model.Joins {
		if w.sourceChanged(j, j.KeyIn(w.model, st.Row)) {
			return false
		}
	}
	return true
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
