package reaction_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// lossy keeps a server from writing to the disk what nobody waits for, once its WAL writer
// is stopped.
var lossy = map[string]string{"autovacuum": "off", "bgwriter_lru_maxpages": "0", "checkpoint_timeout": "1h"}

// stopWALWriter stops the process that brings commits to the disk which nobody waits for.
// The postmaster ends it when another one was killed.
func stopWALWriter(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	var pid int
	err := pool.QueryRow(bounded(t), `select pid from pg_stat_activity where backend_type = 'walwriter'`).Scan(&pid)
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// appendOnly appends events of one type to a stream of their own; the last place is returned.
func (s *service) appendOnly(t *testing.T, pool *pgxpool.Pool, commit string, events ...eventlog.Typed) (last eventlog.Position) {
	t.Helper()
	var appends []eventlog.Append
	for _, data := range events {
		e, err := eventlog.NewEvent(data, eventlog.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		appends = append(appends, eventlog.Append{Stream: "s-" + e.ID, Events: []eventlog.Event{e}})
	}
	err := pgx.BeginFunc(bounded(t), pool, func(tx pgx.Tx) (err error) {
		if _, err = tx.Exec(bounded(t), `set local synchronous_commit = `+commit); err == nil {
			last, err = s.log.Append(bounded(t), tx, appends...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// A page passes events of other types behind its last event. Where the server loses those in
// a crash while the event is handled, the events that get their places have their effect, too.
func TestPlacesPassedAndLostAreReadAgain(t *testing.T) {
	t.Parallel()
	cluster := dbtest.PostgresCluster(t, embedded.PostgresOptions{Durable: true, Settings: lossy})
	s := serviceOn(t, cluster.Database(t))
	config := s.config()
	config.Pool = carefree(t, s.db.RoleURL("readside_appender"))
	config.Logger = slog.New(slog.DiscardHandler)
	before, stop := run(t, config, reaction.On(effect)) // writes the reaction's checkpoint
	until(t, before, s.appendOnly(t, s.pool, "on", asked{N: 0}))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s.appendOnly(t, s.pool, "on", asked{N: 1}) // and brings it to the disk
	stopWALWriter(t, s.db.Pool)
	// More than Postgres logs of a sequence at a time, so that places are given away again.
	passed := s.appendOnly(t, s.pool, "off", slices.Repeat([]eventlog.Typed{other{}}, 60)...)

	met, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	release := sync.OnceFunc(func() { close(goOn) })
	r, _ := run(t, config, reaction.On(func(ctx context.Context, tx pgx.Tx, e asked, event eventlog.Event) error {
		var first bool
		once.Do(func() { first = true })
		if first { // the page was read, and its transaction is open
			close(met)
			<-goOn
		}
		return effect(ctx, tx, e, event)
	}))
	t.Cleanup(release)
	<-met
	killBackend(t, s.db.Pool)
	var last int64
	if err := s.db.Pool.QueryRow(bounded(t), `select max(position) from eventlog.events`).Scan(&last); err != nil {
		t.Fatal(err)
	}
	again := s.appendOnly(t, s.db.Pool, "on", asked{N: 2})
	if last >= passed.Place() || again.Place() > passed.Place() {
		t.Fatalf("the log ends at place %d and goes on at %d, so nothing was lost up to place %d: this tests nothing", last, again.Place(), passed.Place())
	}
	// The log grows beyond the place that the page passed before the reaction looks at it again.
	s.appendOnly(t, s.db.Pool, "on", slices.Repeat([]eventlog.Typed{other{}}, 60)...)
	release()
	s.appendOnly(t, s.db.Pool, "on", asked{N: 3})
	end := s.appendOnly(t, s.db.Pool, "on", other{}, other{}, asked{N: 4})
	until(t, r, end)
	for n := range 5 {
		var effects int
		if err := s.db.Pool.QueryRow(bounded(t), `select count(*) from svc.effects where n = $1`, n).Scan(&effects); err != nil || effects != 1 {
			t.Errorf("event %d had %d effects (%v)", n, effects, err)
		}
	}
}

// A checkpoint that was read right before a crash may have been lost in it, with the effects
// that it stood for.
func TestACheckpointReadBeforeACrashIsReadAgain(t *testing.T) {
	t.Parallel()
	cluster := dbtest.PostgresCluster(t, embedded.PostgresOptions{Durable: true, Settings: lossy})
	s := serviceOn(t, cluster.Database(t))
	config := s.config()
	config.Pool = carefree(t, s.db.RoleURL("readside_appender"))
	config.Logger = slog.New(slog.DiscardHandler)
	var held atomic.Int32
	met, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	config.Log = openHooked(t, s.db.RoleURL("readside_appender"), func() (good bool) {
		// The log is asked which one it is when the checkpoint is read, and read then.
		if held.Add(-1) != 0 {
			return true
		}
		close(met)
		<-goOn
		return false // another connection is taken
	})
	first, stop := run(t, config, reaction.On(effect))
	until(t, first, s.appendOnly(t, s.pool, "on", asked{N: 0}))
	stopWALWriter(t, s.db.Pool)
	until(t, first, s.appendOnly(t, s.pool, "on", asked{N: 1})) // the event is on the disk, its effect is not
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	held.Store(2)
	run(t, config, reaction.On(effect))
	<-met
	killBackend(t, s.db.Pool)
	var kept int
	if err := s.db.Pool.QueryRow(bounded(t), `select count(*) from svc.effects where n = 1`).Scan(&kept); err != nil || kept != 0 {
		t.Fatalf("%d effects of event 1 are still there (%v): this tests nothing", kept, err)
	}
	release()
	s.appendOnly(t, s.db.Pool, "on", asked{N: 2})
	s.wantOneEach(t, 3)
}

// wantOneEach waits until the last of n events had its effect, and fails unless each had one.
func (s *service) wantOneEach(t *testing.T, n int) {
	t.Helper()
	var effects []int
	for ctx := bounded(t); !slices.Contains(effects, n-1); {
		rows, err := s.db.Pool.Query(ctx, `select n from svc.effects order by n`)
		if err == nil {
			effects, err = pgx.CollectRows(rows, pgx.RowTo[int])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := numbers(0, n); !slices.Equal(effects, want) {
		t.Errorf("the events %v had an effect, not %v", effects, want)
	}
}

// openHooked opens the log over a pool that calls the hook whenever a connection is taken,
// and takes another where it returns false.
func openHooked(t *testing.T, url string, hook func() bool) *eventlog.Log {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	config.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return hook(), nil }
	pool, err := pgxpool.NewWithConfig(bounded(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	log, err := eventlog.Open(bounded(t), pool)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// carefree is a pool whose commits wait for no disk, and so bring nothing there that others
// committed.
func carefree(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	pool, err := pgxpool.NewWithConfig(bounded(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// killBackend kills one server process, so that the server ends all others and recovers.
func killBackend(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	ctx := bounded(t)
	life := func() (now string, err error) {
		err = pool.QueryRow(ctx, `select `+eventlog.LifeSQL).Scan(&now)
		return now, err
	}
	before, err := life()
	if err != nil {
		t.Fatal(err)
	}
	err = pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		return syscall.Kill(int(conn.Conn().PgConn().PID()), syscall.SIGKILL)
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		now, err := life()
		if err == nil && now != before {
			pool.Reset()
			return
		}
		if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			t.Fatal("the server did not come back")
		}
	}
}
