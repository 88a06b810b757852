package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/internal/bench/story"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/shop"
)

// The load of the latency benchmark.
const (
	latencyRate      = 1000 // events per second, all appenders together
	latencyAppenders = 8
	latencyWarmUp    = time.Second
	latencyFor       = 5 * time.Second
)

// latency measures, under a steady load, how long after an append's commit its view
// shows it, beside how long the append itself took.
func (a *arena) latency(ctx context.Context, cfg Config) (Ratios, error) {
	var p50, p99 []float64
	for round := range cfg.Rounds {
		m, err := a.measureLatency(ctx, round)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(cfg.Out, "round %d  append p50 %s p99 %s   view after commit p50 %s p99 %s\n",
			round+1, m.append(50), m.append(99), m.view(50), m.view(99))
		p50 = append(p50, float64(m.view(50))/float64(m.append(50)))
		p99 = append(p99, float64(m.view(99))/float64(m.append(99)))
	}
	return Ratios{"latency_p50/append": median(p50), "latency_p99/append": median(p99)}, nil
}

// measured collects, per event, when its append began, when that was committed, and
// when the view's checkpoint passed it.
type measured struct {
	mu        sync.Mutex
	committed map[int64]time.Time
	appends   []time.Duration
	views     []time.Duration
	waiting   []int64
}

func (m *measured) commit(place int64, began time.Time, count bool) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !count {
		return
	}
	m.appends = append(m.appends, now.Sub(began))
	m.committed[place] = now
	m.waiting = append(m.waiting, place)
}

// folded notes the events that a checkpoint passed. An event may be folded before
// its appender has noted the commit: then it waited for nothing.
func (m *measured) folded(at eventlog.Position) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = slices.DeleteFunc(m.waiting, func(place int64) bool {
		if place > at.Place() {
			return false
		}
		m.views = append(m.views, max(0, now.Sub(m.committed[place])))
		return true
	})
}

func (m *measured) append(percent int) time.Duration { return percentile(m.appends, percent) }
func (m *measured) view(percent int) time.Duration   { return percentile(m.views, percent) }

func percentile(d []time.Duration, percent int) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[min(len(d)-1, len(d)*percent/100)].Round(time.Microsecond)
}

func (a *arena) measureLatency(ctx context.Context, round int) (*measured, error) {
	if _, _, err := runEngine(ctx, a); err != nil {
		return nil, err
	}
	m := &measured{committed: map[int64]time.Time{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config := a.pool.Config().ConnConfig
	listener := announce.NewListener(config, slog.Default())
	notifier := announce.NewNotifier(config, slog.Default(), announce.Events)
	log, err := eventlog.Open(ctx, a.pool, eventlog.WithListener(listener))
	if err != nil {
		return nil, err
	}
	p, err := engine.New(engine.Config{Application: shop.Application, Log: log, Postgres: config, Set: a.set, BatchEvents: batchEvents,
		Observer: engine.Observer{Folded: func(f engine.Folded) { m.folded(f.Position) }}})
	if err != nil {
		return nil, err
	}
	var background errgroup.Group
	background.Go(func() error { return stopped(listener.Run(ctx)) })
	background.Go(func() error { return stopped(notifier.Run(ctx)) })
	background.Go(func() error { return p.Run(ctx) })
	err = a.appendSteadily(ctx, log, notifier, m, round)
	cancel()
	return m, errors.Join(err, background.Wait())
}

func stopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// appendSteadily appends renames from several connections at the benchmark's rate.
func (a *arena) appendSteadily(ctx context.Context, log *eventlog.Log, notifier *announce.Notifier, m *measured, round int) error {
	limit := rate.NewLimiter(latencyRate, 1)
	start := time.Now()
	var group errgroup.Group
	for i := range latencyAppenders {
		group.Go(func() error {
			for n := 0; time.Since(start) < latencyWarmUp+latencyFor; n++ {
				if err := limit.Wait(ctx); err != nil {
					return err
				}
				stream := fmt.Sprintf("latency-%d-%d-%d", round, i, n)
				began := time.Now()
				at, err := a.appendRename(ctx, log, stream, fmt.Sprintf("usr-%05d", n%story.Users))
				if err != nil {
					return err
				}
				m.commit(at.Place(), began, began.Sub(start) > latencyWarmUp)
				notifier.Announce()
			}
			return nil
		})
	}
	return group.Wait()
}

func (a *arena) appendRename(ctx context.Context, log *eventlog.Log, stream, userID string) (at eventlog.Position, err error) {
	e, err := eventlog.NewEvent(story.UserRenamed{UserID: userID, NewName: stream}, eventlog.Meta{})
	if err != nil {
		return at, err
	}
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		at, err = log.Append(ctx, tx, eventlog.Append{Stream: stream, Events: []eventlog.Event{e}})
		return err
	})
	return at, err
}
