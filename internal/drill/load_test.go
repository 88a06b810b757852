package drill_test

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/exact"
	"github.com/readside/readside/writemodels/contract"
)

const (
	appenders    = 8
	historyBatch = 500
	// queued bounds the events that wait for an appender.
	queued = 64
)

// storyShop is large enough that a change of a name concerns a few rows, as in life.
var storyShop = exact.Shop{Customers: 1_000, Products: 1_000, Known: true}

// load appends a story. Each stream has one appender, so its order is the story's.
type load struct {
	log    *eventlog.Log
	db     *dbtest.DB
	teller *exact.Storyteller
	hash   maphash.Seed
	// versions are how many events each stream has; only who hands out knows them.
	versions map[string]int64

	// committed is the highest place that an appender saw committed.
	committed atomic.Int64
	mu        sync.Mutex
	// onCommit, unless nil, is told of every event appended and when it was committed.
	onCommit func(e exact.Event, place int64, at time.Time)
}

func newLoad(log *eventlog.Log, db *dbtest.DB) *load {
	return &load{log: log, db: db, teller: exact.NewStoryteller(*seed, storyShop), hash: maphash.MakeSeed(), versions: map[string]int64{}}
}

// watch tells f of every event appended from now on.
func (l *load) watch(f func(e exact.Event, place int64, at time.Time)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onCommit = f
}

// anchor is a customer and an open order of his that the story does not know: nothing
// ever happens to them again.
const anchor = "anchor"

func anchored() []exact.Event {
	return []exact.Event{
		{Stream: "customer-" + anchor, Data: contract.CustomerRegistered{CustomerID: anchor, Name: "Ada"}},
		{Stream: "order-" + anchor, Data: contract.OrderSubmitted{OrderID: anchor, BuyerID: anchor, Total: contract.Money{Amount: 1, Currency: "EUR"}}},
	}
}

func (l *load) appendHistory(ctx context.Context, n int) error {
	story := append(anchored(), l.teller.More(n)...)
	for len(story) > 0 {
		batch := story[:min(historyBatch, len(story))]
		appends := make([]eventlog.Append, len(batch))
		for i, e := range batch {
			var err error
			if appends[i], err = l.next(e); err != nil {
				return err
			}
		}
		if _, err := l.append(ctx, appends...); err != nil {
			return err
		}
		story = story[len(batch):]
	}
	return nil
}

// next is the append of an event, the next one of its stream.
func (l *load) next(e exact.Event) (eventlog.Append, error) {
	ev, err := eventlog.NewEvent(e.Data, eventlog.Meta{})
	version := l.versions[e.Stream]
	l.versions[e.Stream]++
	return eventlog.Append{Stream: e.Stream, Expected: version, Events: []eventlog.Event{ev}}, err
}

func (l *load) append(ctx context.Context, appends ...eventlog.Append) (at eventlog.Position, err error) {
	err = pgx.BeginFunc(ctx, l.db.Pool, func(tx pgx.Tx) error {
		at, err = l.log.Append(ctx, tx, appends...)
		return err
	})
	if err != nil {
		return at, err
	}
	for {
		highest := l.committed.Load()
		if highest >= at.Place() || l.committed.CompareAndSwap(highest, at.Place()) {
			return at, nil
		}
	}
}

// handed is an event on its way to its appender.
type handed struct {
	event  exact.Event
	append eventlog.Append
}

// run appends at a steady rate, an event per transaction, until ctx ends. What was
// handed out by then is appended.
func (l *load) run(ctx context.Context, perSecond int, announce func()) error {
	group, going := errgroup.WithContext(ctx)
	var queues [appenders]chan handed
	for i := range queues {
		queues[i] = make(chan handed, queued)
		group.Go(func() error { return l.appendQueue(context.WithoutCancel(ctx), queues[i], announce) })
	}
	group.Go(func() error {
		defer func() {
			for _, q := range queues {
				close(q)
			}
		}()
		return l.handOut(going, perSecond, queues[:])
	})
	return group.Wait()
}

func (l *load) handOut(ctx context.Context, perSecond int, queues []chan handed) error {
	const chunk = 1000
	limit := rate.NewLimiter(rate.Limit(perSecond), max(1, perSecond/50))
	var story []exact.Event
	for {
		if len(story) == 0 {
			story = l.teller.More(chunk)
		}
		if limit.Wait(ctx) != nil {
			return nil
		}
		e := story[0]
		a, err := l.next(e)
		if err != nil {
			return err
		}
		story = story[1:]
		// An appender that failed closed nothing: ctx says so.
		select {
		case queues[maphash.String(l.hash, e.Stream)%appenders] <- handed{e, a}:
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *load) appendQueue(ctx context.Context, queue <-chan handed, announce func()) error {
	for h := range queue {
		at, err := l.append(ctx, h.append)
		if err != nil {
			return err
		}
		committed := time.Now()
		announce()
		l.mu.Lock()
		onCommit := l.onCommit
		l.mu.Unlock()
		if onCommit != nil {
			onCommit(h.event, at.Place(), committed)
		}
	}
	return nil
}
