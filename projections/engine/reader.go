package engine

import (
	"context"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// reader reads and decodes batches ahead of the writer.
type reader struct {
	// batches holds the one that waits: it keeps the writer busy, and more would only
	// hold memory. What is read meanwhile joins it.
	batches chan *batch
	failed  chan error
	cancel  context.CancelFunc
	done    chan struct{}
}

func startReader(ctx context.Context, cfg Config, from eventlog.Position) *reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &reader{
		batches: make(chan *batch, 1),
		failed:  make(chan error, 1),
		cancel:  cancel,
		done:    make(chan struct{}),
	}
	go func() {
		defer close(r.done)
		r.failed <- r.read(ctx, cfg, from)
	}()
	return r
}

func (r *reader) close() {
	r.cancel()
	<-r.done
}

func (r *reader) read(ctx context.Context, cfg Config, from eventlog.Position) error {
	q := eventlog.Query{Types: cfg.Set.ViewTypes(), Limit: cfg.BatchEvents}
	return cfg.Log.Follow(ctx, from, q, func(ctx context.Context, page eventlog.Page) error {
		start := from
		from = page.Next
		return eachBatch(cfg.Set, start, page, func(b *batch) error { return r.hand(ctx, b, cfg.BatchEvents) })
	})
}

// hand offers a batch, together with one that waits if both make a batch: so an event
// waits for one commit, not for each of the small batches before it.
func (r *reader) hand(ctx context.Context, b *batch, most int) error {
	select {
	case waiting := <-r.batches:
		if waiting.joins(b, most) {
			b = waiting.with(b)
		} else {
			r.batches <- waiting // there is room: nobody else offers
		}
	default:
	}
	select {
	case r.batches <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A batch is bounded by its events' number (Config.BatchEvents), by their bytes and by the
// rows that they touch: 10,000 events may be 10 GiB, and one of 1 MiB may touch 80,000
// rows. A page of the log keeps the second bound by itself.
const (
	maxBatchBytes   = 32 << 20
	maxBatchTouches = 200_000
)

// joins reports whether the batch may be put together with the next one.
func (b *batch) joins(next *batch, mostEvents int) bool {
	return len(b.events)+len(next.events) <= mostEvents && b.bytes+next.bytes <= maxBatchBytes && len(b.touches)+len(next.touches) <= maxBatchTouches
}

// eachBatch decodes a page, and hands it out as one batch, or as several where its events
// touch too many rows for one.
func eachBatch(set *projections.Set, from eventlog.Position, page eventlog.Page, hand func(*batch) error) error {
	b := newBatch(set, from, page)
	if len(b.touches) <= maxBatchTouches || len(page.Events) < 2 {
		return hand(b)
	}
	half := len(page.Events) / 2
	first, second := page, page
	first.Events, second.Events = page.Events[:half], page.Events[half:]
	first.Next = first.Events[half-1].Position
	if err := eachBatch(set, from, first, hand); err != nil {
		return err
	}
	return eachBatch(set, first.Next, second, hand)
}

// newBatch decodes a page.
func newBatch(set *projections.Set, from eventlog.Position, page eventlog.Page) *batch {
	b := &batch{from: from, next: page.Next, caughtUp: page.Next == page.Head}
	for i := range page.Events {
		b.bytes += len(page.Events[i].Data)
	}
	b.events, b.touches, b.broken = set.Prepare(page.Events)
	return b
}

// readBatch reads a batch again, and decodes it anew: what handlers keep of an event
// they may have changed already.
func (t *turn) readBatch(ctx context.Context, b *batch) (*batch, error) {
	set := t.of.cfg.Set
	again := &batch{from: b.from, next: b.from}
	q := eventlog.Query{Types: set.ViewTypes(), Limit: t.of.cfg.BatchEvents, Until: b.next}
	err := t.log.Follow(ctx, b.from, q, func(_ context.Context, page eventlog.Page) error {
		again = again.with(newBatch(set, again.next, page))
		return nil
	})
	again.caughtUp = b.caughtUp
	return again, err
}
