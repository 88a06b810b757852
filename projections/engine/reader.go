package engine

import (
	"context"
	"errors"

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

// errDecode stops the reader behind a batch whose fault the writer reports.
var errDecode = errors.New("an event cannot be decoded")

func (r *reader) read(ctx context.Context, cfg Config, from eventlog.Position) error {
	q := eventlog.Query{Types: cfg.Set.ViewTypes(), Limit: cfg.BatchEvents}
	return cfg.Log.Follow(ctx, from, q, func(ctx context.Context, page eventlog.Page) error {
		b, err := decode(cfg.Set, from, page)
		if err != nil {
			return err
		}
		from = page.Next
		if err := r.hand(ctx, b, cfg.BatchEvents); err != nil {
			return err
		}
		if b.fault != nil {
			<-ctx.Done() // nothing behind a fault can be folded
			return errDecode
		}
		return nil
	})
}

// hand offers a batch, together with one that waits if both make a batch: so an event
// waits for one commit, not for each of the small batches before it.
func (r *reader) hand(ctx context.Context, b *batch, most int) error {
	select {
	case waiting := <-r.batches:
		if len(waiting.events)+len(b.events) <= most {
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

// decode makes a batch of a page: up to the first event that has no value or no key.
func decode(set *projections.Set, from eventlog.Position, page eventlog.Page) (*batch, error) {
	b := &batch{from: from, next: page.Next, caughtUp: page.Next == page.Head}
	var err error
	b.events, err = set.DecodeAll(page.Events)
	touches, keyErr := set.Touches(make([]projections.Touch, 0, len(b.events)*2), b.events)
	if keyErr != nil {
		err = keyErr // it stands before the event that could not be decoded
	}
	b.touches = touches
	if err == nil {
		return b, nil
	}
	if !errors.As(err, &b.fault) {
		return nil, err
	}
	cut := b.until(b.fault.Position)
	cut.fault = b.fault
	return cut, nil
}
