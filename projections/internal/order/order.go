// Package order is what an operator orders about events that wait: which of them hang
// together, which are folded again, and which one is discarded.
package order

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/fold"
	"github.com/readside/readside/projections/parking"
)

// Choice chooses among what is parked in a view: the events of one row, those of one
// stream, or, with both empty, all.
type Choice struct {
	View, Key, Stream string
}

func (c Choice) String() string {
	switch {
	case c.Key != "":
		return fmt.Sprintf("the row %q", c.Key)
	case c.Stream != "":
		return fmt.Sprintf("the stream %q", c.Stream)
	}
	return "any row"
}

// Order is what an operator wants done about what waits, in one transaction that locks the
// projector's row first: so what is parked and where the projector stands cannot change
// under it, and no busy worker can be in its way. The worker waits meanwhile, for no longer
// than it takes to fold what waits at most: ParkedMax events and parking.QueuedMax.
type Order struct {
	// Projector is the projector's name, and Set what it folds.
	Projector string
	Set       *projections.Set
	// Log is where the events are.
	Log    fold.Log
	Choice Choice
	// Discard drops the first of the chosen events that failed; the others are folded.
	Discard bool
	// PartBytes is how much the events of a part have; 0 for the default.
	PartBytes int

	view int

	entries []control.ParkedEvent
	// discarded is the event that is dropped; nil where none is.
	discarded *control.ParkedEvent
}

// ErrNothingWaits is returned where nothing is parked of what an operator has chosen.
var ErrNothingWaits = errors.New("nothing waits")

// Counts are how many events are in their rows now, were discarded, and wait on.
type Counts struct{ Folded, Discarded, Waiting int }

// Carry carries the order out on all that is parked in the view, with a turn that begins
// under the lock of the projector's row, and commits.
func (o *Order) Carry(ctx context.Context, t *fold.Turn, all []control.ParkedEvent) (out Counts, err error) {
	o.view = fold.ViewIndex(o.Set, o.Choice.View)
	all = slices.DeleteFunc(all, func(e control.ParkedEvent) bool { return e.State == parking.Discarded })
	if o.entries = together(all, o.Choice); len(o.entries) == 0 {
		return out, fmt.Errorf("%w in view %s for %s", ErrNothingWaits, o.Choice.View, o.Choice)
	}
	tried := len(o.entries)
	if o.Discard {
		if err := o.drop(); err != nil {
			return out, err
		}
		out.Discarded = tried - len(o.entries)
	}
	o.free(t.Parking())
	if out.Waiting, err = t.Retry(ctx, o.retry(t.At())); err != nil {
		return out, err
	}
	out.Folded = len(o.entries) - out.Waiting
	return out, nil
}

// together are the entries that must be folded in one go: those chosen, and all that
// share a row with them, or a stream that waits as a whole, and so on.
func together(all []control.ParkedEvent, chosen Choice) []control.ParkedEvent {
	whole := map[string]bool{}
	for _, e := range all {
		whole[e.Stream] = whole[e.Stream] || e.Key == ""
	}
	everything := chosen.Key == "" && chosen.Stream == ""
	// Each entry is looked at once for its row and once for its stream: there may be 100,000.
	byRow, byStream := map[string][]int{}, map[string][]int{}
	for i, e := range all {
		if e.Key != "" {
			byRow[e.Key] = append(byRow[e.Key], i)
		}
		byStream[e.Stream] = append(byStream[e.Stream], i)
	}
	taken := make([]bool, len(all))
	var next []int
	take := func(index map[string][]int, name string) {
		next = append(next, index[name]...)
		delete(index, name)
	}
	for i := range all {
		if everything {
			next = append(next, i)
		}
	}
	take(byRow, chosen.Key)
	if chosen.Stream != "" {
		take(byStream, chosen.Stream)
	}
	for len(next) > 0 {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if taken[i] {
			continue
		}
		taken[i] = true
		take(byRow, all[i].Key)
		if whole[all[i].Stream] {
			take(byStream, all[i].Stream)
		}
	}
	out := make([]control.ParkedEvent, 0, len(all))
	for i, e := range all {
		if taken[i] {
			out = append(out, e)
		}
	}
	return out
}

// drop takes the first event that failed out of the entries.
func (o *Order) drop() error {
	i := slices.IndexFunc(o.entries, func(e control.ParkedEvent) bool { return e.State == parking.Parked })
	if i < 0 {
		return nil
	}
	e := o.entries[i]
	if e.Eventless() {
		return fmt.Errorf("discard: the joins of row %q of view %s failed (%s), and no event of it is to blame that could be given up: mend the join and retry",
			e.Key, e.View, e.Error)
	}
	o.discarded = &e
	o.entries = slices.Delete(o.entries, i, i+1)
	return nil
}

// free lets what is to be folded pass by what it waited for. What fails again counts
// again.
func (o *Order) free(w *parking.Waiting) {
	for _, e := range o.entries {
		w.Free(fold.EntryOf(o.Set, e))
	}
	if o.discarded != nil {
		dropped := fold.EntryOf(o.Set, *o.discarded)
		w.Free(dropped)
		w.Discard(dropped.Event)
	}
}

// add decodes stored events into a batch, with those of their touches that wait.
func (o *Order) add(b *batch.Batch, stored []eventlog.Event, wants map[int64]map[string]bool) {
	events, touches, broken := o.Set.Prepare(stored)
	for _, t := range touches {
		keys := wants[events[t.Event].Meta.Position.Place()]
		if t.View == o.view && (keys[t.Key] || keys[""]) {
			t.Event += len(b.Events)
			b.Touches = append(b.Touches, t)
		}
	}
	for _, br := range broken {
		if slices.Contains(br.Views, o.view) {
			br.Views = []int{o.view}
			b.Broken = append(b.Broken, br)
		}
	}
	b.Events = append(b.Events, events...)
}

// retry is the order as the turn takes it.
func (o *Order) retry(at eventlog.Position) *fold.Retry {
	return &fold.Retry{
		View: o.view, Rows: o.rows(), Tries: o.tries(), Before: o.before(), After: o.after(),
		Parts: func(ctx context.Context, hand func(*batch.Batch, bool) error) error { return o.parts(ctx, at, hand) },
	}
}

// before takes the entries out of what waits; those that fail again come back.
func (o *Order) before() (ops []pipeline.Op) {
	projector, view := []byte(o.Projector), []byte(o.Choice.View)
	for _, e := range o.entries {
		ops = append(ops, pipeline.Op{SQL: control.UnparkSQL, Rows: 1, Params: [][]byte{projector, view, pipeline.Int64(e.Position.Place()), []byte(e.Key)}})
	}
	if d := o.discarded; d != nil {
		ops = append(ops, pipeline.Op{SQL: control.DiscardSQL, Rows: 1, Params: [][]byte{projector, view, pipeline.Int64(d.Position.Place()), []byte(d.Key)}})
	}
	return ops
}

// after clears the marks of rows that wait no more.
func (o *Order) after() []pipeline.Op {
	return []pipeline.Op{{SQL: control.UndegradeSQL, Rows: pipeline.AnyRows, Params: [][]byte{[]byte(o.Projector), []byte(o.Choice.View)}}}
}

// tries are how often each entry was tried, this time included.
func (o *Order) tries() map[parking.Event]int {
	tries := make(map[parking.Event]int, len(o.entries))
	for _, e := range o.entries {
		tries[parking.Event{View: o.view, Key: e.Key, Place: e.Position.Place()}] = e.Attempts + 1
	}
	return tries
}

// rows are those that waited: while they did, their joins may have failed.
func (o *Order) rows() (keys []string) {
	entries := o.entries
	if o.discarded != nil {
		entries = append(slices.Clone(entries), *o.discarded)
	}
	for _, e := range entries {
		if e.Key != "" {
			keys = append(keys, e.Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
