package batch

import (
	"context"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Reader reads and decodes batches ahead of the writer.
type Reader struct {
	// Batches holds the one that waits: it keeps the writer busy, and more would only
	// hold memory. What is read meanwhile joins it.
	Batches chan *Batch
	// Failed gets the error that reading ended with.
	Failed chan error

	log    *eventlog.Log
	set    *projections.Set
	most   int
	cancel context.CancelFunc
	done   chan struct{}
}

// Read starts to read behind a place, most events at a time, until Close.
func Read(ctx context.Context, log *eventlog.Log, set *projections.Set, most int, from eventlog.Position) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &Reader{
		Batches: make(chan *Batch, 1), Failed: make(chan error, 1),
		log: log, set: set, most: most, cancel: cancel, done: make(chan struct{}),
	}
	go func() {
		defer close(r.done)
		r.Failed <- r.read(ctx, from)
	}()
	return r
}

// Close ends the reading, and returns when it has ended.
func (r *Reader) Close() {
	r.cancel()
	<-r.done
}

func (r *Reader) read(ctx context.Context, from eventlog.Position) error {
	q := eventlog.Query{Types: r.set.ViewTypes(), Limit: r.most}
	return r.log.Follow(ctx, from, q, func(ctx context.Context, page eventlog.Page) error {
		start := from
		from = page.Next
		return Each(r.set, start, page, func(b *Batch) error { return r.hand(ctx, b) })
	})
}

// hand offers a batch, together with one that waits if both make a batch: so an event
// waits for one commit, not for each of the small batches before it.
func (r *Reader) hand(ctx context.Context, b *Batch) error {
	select {
	case waiting := <-r.Batches:
		if waiting.joins(b, r.most) {
			b = waiting.With(b)
		} else {
			r.Batches <- waiting // there is room: nobody else offers
		}
	default:
	}
	select {
	case r.Batches <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
