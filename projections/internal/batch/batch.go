// Package batch is what one transaction folds, and how batches are read from the log.
package batch

import (
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/parking"
)

// Batch is a run of decoded events: what one transaction folds.
type Batch struct {
	// From and Next are the checkpoint before and after.
	From, Next eventlog.Position
	// CaughtUp reports whether Next was the log's head when it was read.
	CaughtUp bool
	Events   []projections.Event
	Touches  []projections.Touch
	// Broken are the events whose rows could not be determined.
	Broken []projections.Broken
	// Bytes is how much the events' data have.
	Bytes int
}

// A batch is bounded by its events' number, by their bytes and by the rows that they touch:
// 10,000 events may be 10 GiB, and one of 1 MiB may touch 80,000 rows. A page of the log
// keeps the second bound by itself.
const (
	// DefaultEvents is how many events a batch has at most, unless it is configured.
	DefaultEvents = 10_000
	// MaxBytes is how much the events of a batch have, unless one alone has more.
	MaxBytes   = 32 << 20
	maxTouches = 200_000
)

// With returns the batch together with the one behind it.
func (b *Batch) With(next *Batch) *Batch {
	for i := range next.Touches {
		next.Touches[i].Event += len(b.Events)
	}
	return &Batch{
		From: b.From, Next: next.Next, CaughtUp: next.CaughtUp,
		Events: append(b.Events, next.Events...), Touches: append(b.Touches, next.Touches...), Broken: append(b.Broken, next.Broken...),
		Bytes: b.Bytes + next.Bytes,
	}
}

// joins reports whether the batch may be put together with the next one.
func (b *Batch) joins(next *Batch, mostEvents int) bool {
	return len(b.Events)+len(next.Events) <= mostEvents && b.Bytes+next.Bytes <= MaxBytes && len(b.Touches)+len(next.Touches) <= maxTouches
}

// Choice is the batch as parking sees it.
func (b *Batch) Choice() parking.Batch {
	return parking.Batch{Events: b.Events, Touches: b.Touches, Broken: b.Broken}
}

// Count returns the number of events and the time of the last; nil where there is none.
func (b *Batch) Count() (n int, last *time.Time) {
	if n = len(b.Events); n > 0 {
		last = &b.Events[n-1].Meta.Time
	}
	return n, last
}

// New decodes a page.
func New(set *projections.Set, from eventlog.Position, page eventlog.Page) *Batch {
	b := &Batch{From: from, Next: page.Next, CaughtUp: page.Next == page.Head}
	for i := range page.Events {
		b.Bytes += len(page.Events[i].Data)
	}
	b.Events, b.Touches, b.Broken = set.Prepare(page.Events)
	return b
}

// Each decodes a page, and hands it out as one batch, or as several where its events
// touch too many rows for one.
func Each(set *projections.Set, from eventlog.Position, page eventlog.Page, hand func(*Batch) error) error {
	b := New(set, from, page)
	if len(b.Touches) <= maxTouches || len(page.Events) < 2 {
		return hand(b)
	}
	half := len(page.Events) / 2
	first, second := page, page
	first.Events, second.Events = page.Events[:half], page.Events[half:]
	first.Next = first.Events[half-1].Position
	if err := Each(set, from, first, hand); err != nil {
		return err
	}
	return Each(set, first.Next, second, hand)
}
