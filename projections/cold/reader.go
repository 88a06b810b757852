package cold

import (
	"context"
	"errors"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// pageEvents is how many events are read at once; readAhead pages wait for the writer.
// gatherMost is how long a batch gathers while more of the log is known to follow: rows of
// a backlog whose times are shuffled go to many partitions, and each gets an INSERT.
const (
	pageEvents = 5_000
	readAhead  = 4
	gatherMost = 5 * time.Second
)

// reader follows the log while the writer writes, and cuts it into batches.
type reader struct {
	cfg    Config
	leave  func() leftOut
	pages  chan eventlog.Page
	failed chan error
	cancel context.CancelFunc
	done   chan struct{}

	from eventlog.Position
	// page is the one under way, from event on.
	page  *eventlog.Page
	event int
}

func startReader(ctx context.Context, cfg Config, from eventlog.Position, leave func() leftOut) *reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &reader{
		cfg: cfg, leave: leave, from: from, cancel: cancel,
		pages:  make(chan eventlog.Page, readAhead),
		failed: make(chan error, 1),
		done:   make(chan struct{}),
	}
	go func() {
		defer close(r.done)
		q := eventlog.Query{Types: cfg.Set.FactTypes(), Limit: pageEvents}
		r.failed <- cfg.Log.Follow(ctx, from, q, func(ctx context.Context, page eventlog.Page) error {
			select {
			case r.pages <- page:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return r
}

func (r *reader) close() {
	r.cancel()
	<-r.done
}

// batch returns the next batch: full, or as old as FlushEvery, or up to a fault. A batch
// behind which more is known to follow gathers for longer. It may move the position and
// hold no rows; where nothing came for FlushEvery it does not even move.
func (r *reader) batch(ctx context.Context) (*batch, error) {
	b := newBatch(r.cfg.Set, r.from, r.leave())
	timer, started := time.NewTimer(r.cfg.FlushEvery), time.Now()
	defer timer.Stop()
	for {
		full, err := r.take(b)
		if err != nil || full {
			return b, err
		}
		select {
		case page := <-r.pages:
			r.page, r.event = &page, 0
		case <-timer.C:
			if !b.behind || time.Since(started) > gatherMost {
				return b, nil
			}
			timer.Reset(r.cfg.FlushEvery)
		case err := <-r.failed:
			r.failed <- err // for the next call
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take moves events of the page under way into the batch; full says that it is to be
// written.
func (r *reader) take(b *batch) (full bool, err error) {
	if r.page == nil {
		return false, nil
	}
	defer func() { r.from = b.to }()
	for ; r.event < len(r.page.Events); r.event++ {
		err := b.add(&r.page.Events[r.event], r.cfg.BatchRows)
		if errors.Is(err, errFull) || errors.As(err, &b.fault) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	b.to = r.page.Next
	b.caughtUp = r.page.Next == r.page.Head && !r.page.Held
	b.behind = r.page.Next != r.page.Head
	r.page = nil
	return b.rows >= r.cfg.BatchRows, nil
}

// rebuildBatch makes a batch anew from its range of the log.
func rebuildBatch(ctx context.Context, log *eventlog.Log, set *projections.Set, from, to eventlog.Position, leave leftOut) (*batch, error) {
	b := newBatch(set, from, leave)
	q := eventlog.Query{Types: set.FactTypes(), Limit: pageEvents, Until: to}
	err := log.Follow(ctx, from, q, func(_ context.Context, page eventlog.Page) error {
		for i := range page.Events {
			if err := b.add(&page.Events[i], blockRowsMax); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.to = to
	return b, nil
}
