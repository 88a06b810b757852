package exact_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/exact"
)

// appendAll appends what the log does not have of the story, by several appenders at
// once, each through its own streams. It tells progress, unless nil, of every event.
func (x *experiment) appendAll(ctx context.Context, seeds [appenders]uint64, progress chan<- struct{}) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range appenders {
		a := &appender{x: x, share: share(x.story, i, appenders), r: rand.New(rand.NewPCG(seeds[i], 3)), progress: progress}
		group.Go(func() error { return a.run(ctx) })
	}
	return group.Wait()
}

// appender appends its share of the story. It asks the log how far it has come when it
// begins and after every failure of the store.
type appender struct {
	x        *experiment
	share    []exact.Event
	r        *rand.Rand
	progress chan<- struct{}
}

func (a *appender) run(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		crashes := a.x.crashes.Load()
		versions, err := a.versions(ctx)
		if err == nil {
			if err = a.append(ctx, missing(a.share, versions), versions); err == nil {
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// A crash is counted before it happens; the connections that it breaks are found out later.
		if a.x.crashes.Load() == 0 {
			return fmt.Errorf("append the story while no store failed (%d crashes): %w", crashes, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// versions are how many events of each stream the log has.
func (a *appender) versions(ctx context.Context) (map[string]int64, error) {
	versions := map[string]int64{}
	rows, err := a.x.appendPool.Query(ctx, `select stream, max(version) from eventlog.events group by stream`)
	if err != nil {
		return nil, err
	}
	var stream string
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&stream, &version}, func() error { versions[stream] = version; return nil })
	return versions, err
}

// missing are the events that the log does not have.
func missing(share []exact.Event, versions map[string]int64) (left []exact.Event) {
	seen := map[string]int64{}
	for _, e := range share {
		if seen[e.Stream]++; seen[e.Stream] > versions[e.Stream] {
			left = append(left, e)
		}
	}
	return left
}

// share is the events of the i-th of n appenders: whole streams.
func share(story []exact.Event, i, n int) []exact.Event {
	owner := map[string]int{}
	var out []exact.Event
	for _, e := range story {
		if _, ok := owner[e.Stream]; !ok {
			owner[e.Stream] = len(owner) % n
		}
		if owner[e.Stream] == i {
			out = append(out, e)
		}
	}
	return out
}

var errGiveUp = errors.New("this transaction is rolled back on purpose")

// append appends events in transactions of random size. Some are rolled back
// and tried again, and some are sent a second time after their commit, which the
// expected versions must refuse.
func (a *appender) append(ctx context.Context, events []exact.Event, versions map[string]int64) error {
	r := a.r
	for len(events) > 0 {
		n := min(len(events), 1+r.IntN(12))
		appends, next, err := prepare(events[:n], versions)
		if err != nil {
			return err
		}
		for giveUps := r.IntN(3); giveUps > 0; giveUps-- {
			if err := appendOnce(ctx, a.x.log, a.x.appendPool, appends, errGiveUp); !errors.Is(err, errGiveUp) {
				return err
			}
		}
		if err := appendOnce(ctx, a.x.log, a.x.appendPool, appends, nil); err != nil {
			return err
		}
		if r.IntN(4) == 0 {
			var conflict *eventlog.VersionConflictError
			if err := appendOnce(ctx, a.x.log, a.x.appendPool, appends, nil); !errors.As(err, &conflict) {
				return fmt.Errorf("a second delivery was answered with %v, not with a conflict", err)
			}
		}
		versions = next
		events = events[n:]
		for range n {
			if a.progress == nil {
				break
			}
			select {
			case a.progress <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func prepare(events []exact.Event, versions map[string]int64) ([]eventlog.Append, map[string]int64, error) {
	next := maps.Clone(versions)
	appends := make([]eventlog.Append, len(events))
	for i, e := range events {
		ev, err := eventlog.NewEvent(e.Data, eventlog.Meta{Time: e.Time})
		if err != nil {
			return nil, nil, err
		}
		appends[i] = eventlog.Append{Stream: e.Stream, Expected: next[e.Stream], Events: []eventlog.Event{ev}}
		next[e.Stream]++
	}
	return appends, next, nil
}

func appendOnce(ctx context.Context, log *eventlog.Log, pool *pgxpool.Pool, appends []eventlog.Append, end error) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := log.Append(ctx, tx, appends...); err != nil {
			return err
		}
		return end
	})
}
