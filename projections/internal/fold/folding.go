package fold

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/cache"
	"github.com/readside/readside/projections/parking"
)

// Folding is a batch on its way into the tables of all views. It implements projections.Rows.
type Folding struct {
	set   *projections.Set
	cache *cache.Cache
	// in is where rows are loaded, out where writes are gathered.
	in, out *pipeline.Session
	batch   *batch.Batch
	// attempt is what of the batch is folded, and what waits.
	attempt *attempt
	// again, unless nil, reads events of the batch again.
	again func(ctx context.Context, places []int64) ([]eventlog.Event, error)
	// number is the batch's number in the cache; failed is what ended its folding.
	number int64
	failed error
	// done is closed when the batch is committed.
	done  chan struct{}
	views []*view
	enc   hot.Encoder
	// effort is what the batch came to; what statements add to it is known when they ran.
	effort Effort
}

// view is one view's part of a batch.
type view struct {
	*cache.View
	// touched are the rows that the batch's events concern.
	touched []*cache.Row
	// changed are the rows of this view that joins of other views depend on.
	changed []hot.Source
	// concerns are for each join the keys of the changed sources that it looks at.
	concerns map[*projections.JoinModel]map[string]bool
}

// folding is a batch in its own transaction; failing are the faults of former attempts at it.
func (t *Turn) folding(b *batch.Batch, failing map[parking.Row]*projections.FoldError) *Folding {
	return newFolding(t.cfg.Set, t.cache, t.writer, t.writer, b, attemptAt(t.cfg.Set, t.parking, b, failing))
}

func newFolding(set *projections.Set, c *cache.Cache, in, out *pipeline.Session, b *batch.Batch, a *attempt) *Folding {
	c.Batch++
	f := &Folding{set: set, cache: c, in: in, out: out, batch: b, attempt: a, number: c.Batch, done: make(chan struct{})}
	for _, v := range c.Views {
		f.views = append(f.views, &view{View: v})
	}
	return f
}

// ahead reports whether the batch was folded without its transaction.
func (f *Folding) ahead() bool { return f.in != f.out }

// Row is the row that a touch changes.
func (f *Folding) Row(view int, key string) *projections.Row {
	return f.views[view].Rows[key].Row
}

// folded are the rows that an event changed, by key: two batches lock rows in the
// same order, and pages of the index are visited once.
func (v *view) folded() []*cache.Row {
	rows := make([]*cache.Row, 0, len(v.touched))
	for _, e := range v.touched {
		if e.Touched >= 0 {
			rows = append(rows, e)
		}
	}
	slices.SortFunc(rows, func(a, b *cache.Row) int { return strings.Compare(a.Key, b.Key) })
	return rows
}

// keeps reports whether no joined column of a row changes, so that they need not be computed.
func (f *Folding) keeps(v *view, st hot.Stored) bool {
	if !v.Lazy || len(v.Model.Joins) == 0 || !v.Table.SameSources(st.Image, st.Row) {
		return false
	}
	for _, j := range v.Model.Joins {
		if v.sourceChanged(j, j.KeyIn(v.Model, st.Row)) {
			return false
		}
	}
	return true
}

// placed gives a join's fault the event that touched the row last.
func (f *Folding) placed(err error, r *projections.Row) error {
	var fault *projections.FoldError
	if errors.As(err, &fault) && r.Touched >= 0 {
		e := &f.batch.Events[r.Touched]
		fault.Position, fault.Type, fault.Stream = e.Meta.Position, e.Route.EventType, e.Meta.Stream
	}
	return err
}

func (f *Folding) unstorable(v *view, r *projections.Row, err error) error {
	var m projections.Meta
	eventType := "join"
	if r.Touched >= 0 {
		m, eventType = f.batch.Events[r.Touched].Meta, f.batch.Events[r.Touched].Route.EventType
	}
	return projections.Unstorable(v.Model.Name, r.Key, m, eventType, err)
}

// stateAfter is what the projector is after a batch.
func (t *Turn) stateAfter(b *batch.Batch) string {
	switch {
	case b.CaughtUp && !t.cfg.Shadow:
		return "live"
	case t.building:
		return "building"
	}
	return "catching_up"
}

// image joins a row of the cache and encodes it.
func (f *Folding) image(ctx context.Context, v *view, e *cache.Row) (img hot.Image, err error) {
	if err := f.loadSources(ctx, v, []*cache.Row{e}); err != nil {
		return img, err
	}
	if e.State == projections.Live {
		if err := v.Model.Join(e.Row, f.source); err != nil {
			return img, err
		}
	}
	e.Image, err = v.Table.Encode(e.Row)
	return e.Image, err
}
