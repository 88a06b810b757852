package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/logtest"
	"github.com/readside/readside/migrations"
)

// TestServerKilledUnderLoad kills Postgres twice under writers and a follower, with a
// prepared transaction open all the while: what was acknowledged is there, and the
// follower gets everything, once, in order.
func TestServerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	cluster := dbtest.PostgresServer(t, embedded.PostgresOptions{Durable: true})
	url := cluster.URL("postgres", embedded.Superuser)
	if err := migrations.Up(ctx, url, migrations.Engine); err != nil {
		t.Fatal(err)
	}
	pool := poolOf(t, url)
	log := open(t, pool)
	follower := &crashFollower{log: log, at: log.Start()}
	logtest.InBackground(t, follower.run)

	prepared := begin(t, pool)
	held, err := log.Append(ctx, prepared, eventlog.Append{Stream: "prepared", Events: newEvents(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prepared.Exec(ctx, `prepare transaction 'across'`); err != nil {
		t.Fatal(err)
	}
	writers := startWriters(ctx, t, log, pool)
	for kill := range 2 {
		writers.until(ctx, t, 100*(kill+1))
		if err := cluster.Kill(ctx); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Restart(ctx); err != nil {
			t.Fatal(err)
		}
	}
	writers.until(ctx, t, 300)
	acknowledged := writers.stop()
	if got := follower.places(); len(got) > 0 && got[len(got)-1] >= held.Place() {
		t.Fatalf("the follower passed place %d, which a prepared transaction may still fill", held.Place())
	}
	if _, err := pool.Exec(ctx, `commit prepared 'across'`); err != nil {
		t.Fatal(err)
	}
	want, err := queryPlaces(ctx, pool, `select stream, version, position from eventlog.events order by position`)
	if err != nil {
		t.Fatal(err)
	}
	var all []int64
	for _, p := range want {
		all = append(all, p.Position)
	}
	for _, place := range acknowledged {
		if !slices.Contains(all, place) {
			t.Fatalf("place %d was acknowledged and is gone", place)
		}
	}
	follower.until(ctx, t, len(all))
	if diff := cmp.Diff(all, follower.places()); diff != "" {
		t.Fatalf("the follower's places are not the log's (-log +follower):\n%s", diff)
	}
}

// crashFollower follows, and follows again from where it was when the connection is lost.
type crashFollower struct {
	log *eventlog.Log
	at  eventlog.Position

	mu  sync.Mutex
	got []int64
}

func (f *crashFollower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		_ = f.log.Follow(ctx, f.at, eventlog.Query{}, func(_ context.Context, page eventlog.Page) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, e := range page.Events {
				f.got = append(f.got, e.Position.Place())
			}
			f.at = page.Next
			return nil
		})
	}
	return ctx.Err()
}

func (f *crashFollower) places() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

func (f *crashFollower) until(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	for len(f.places()) < n {
		if ctx.Err() != nil {
			t.Fatalf("the follower got %d events of %d", len(f.places()), n)
		}
	}
}

// crashWriters append until they are stopped, and roll every fifth transaction back.
type crashWriters struct {
	stopped atomic.Bool
	running sync.WaitGroup

	mu           sync.Mutex
	acknowledged []int64
}

func startWriters(ctx context.Context, t *testing.T, log *eventlog.Log, pool *pgxpool.Pool) *crashWriters {
	t.Helper()
	w := &crashWriters{}
	t.Cleanup(func() { w.stop() })
	for writer := range 4 {
		w.running.Go(func() {
			for n := 0; !w.stopped.Load() && ctx.Err() == nil; n++ {
				w.write(ctx, log, pool, eventlog.Append{Stream: fmt.Sprintf("w%d-%d", writer, n), Events: newEvents(t, 1)}, n%5 == 4)
			}
		})
	}
	return w
}

var errRollBack = errors.New("rolled back on purpose")

func (w *crashWriters) write(ctx context.Context, log *eventlog.Log, pool *pgxpool.Pool, a eventlog.Append, rollBack bool) {
	var position eventlog.Position
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) (err error) {
		if position, err = log.Append(ctx, tx, a); err == nil && rollBack {
			err = errRollBack
		}
		return err
	})
	if err != nil {
		return // rolled back, or the server is away: not acknowledged
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acknowledged = append(w.acknowledged, position.Place())
}

func (w *crashWriters) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acknowledged)
}

func (w *crashWriters) until(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	for w.count() < n {
		if ctx.Err() != nil {
			t.Fatalf("%d events were acknowledged, not %d", w.count(), n)
		}
	}
}

// stop returns when all have ended their transactions. A commit that is cancelled on its
// way may still come, behind a reader that looks at the log then.
func (w *crashWriters) stop() []int64 {
	w.stopped.Store(true)
	w.running.Wait()
	return w.acknowledged
}
