package drill_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
	"github.com/readside/readside/projections/operate/verify"
	"github.com/readside/readside/queryapi"
)

// shop is a database with a history, into which events come at a steady rate.
type shop struct {
	t      *testing.T
	db     *dbtest.DB
	config *pgx.ConnConfig // of the projector's role
	log    *eventlog.Log
	load   *load
	// broken reports whether something in the background failed: waiting is in vain.
	broken atomic.Bool
}

func newShop(t *testing.T) *shop {
	t.Helper()
	db := dbtest.Postgres(t)
	config, err := pgx.ParseConfig(db.RoleURL("readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(t.Context(), db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, db: db, config: config, log: log, load: newLoad(log, db)}
	if err := s.load.appendHistory(t.Context(), *history); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s.t.Output(), nil)) }

// background runs something until stop is called or the test ends. Where it ends by
// itself, with an error that is not the context's, the test has failed.
func (s *shop) background(what string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("%s: %v", what, err)
			s.broken.Store(true)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.t.Cleanup(stop)
	return stop
}

// startLoad appends until stop is called.
func (s *shop) startLoad() (stop func()) {
	notifier := announce.NewNotifier(s.db.Pool.Config().ConnConfig, s.logger(), announce.Events)
	stopNotifier := s.background("announce events", notifier.Run)
	stopLoad := s.background("append events", func(ctx context.Context) error { return s.load.run(ctx, *perSec, notifier.Announce) })
	return func() { stopLoad(); stopNotifier() }
}

// startWorker folds a set's views until stop is called; batch may be 0.
func (s *shop) startWorker(set *projections.Set, batch int, folded func(eventlog.Position)) (stop func()) {
	s.t.Helper()
	pool := s.db.Role(s.t, "readside_projector")
	listener := announce.NewListener(s.config, s.logger(), announce.Events)
	log, err := eventlog.Open(s.t.Context(), pool, eventlog.WithListener(listener))
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := engine.New(engine.Config{Application: dbtest.Application, Log: log, Postgres: s.config, Set: set, BatchEvents: batch, Logger: s.logger(),
		Observer: engine.Observer{Folded: func(f engine.Folded) { folded(f.Position) }}})
	if err != nil {
		s.t.Fatal(err)
	}
	stopListener := s.background("listen for events", listener.Run)
	stopWorker := s.background("fold", p.Run)
	return func() { stopWorker(); stopListener() }
}

// rebuild builds a view anew, as an operator does: in a program of its own.
func (s *shop) rebuild(set *projections.Set, view string, o rebuild.Options) (rebuild.Result, error) {
	cfg := engine.Config{Application: dbtest.Application, Log: s.log, Postgres: s.config, Set: set, Logger: s.logger()}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	return rebuild.View(ctx, cfg, view, o)
}

// newAPI is a query API that was compiled with a set.
func (s *shop) newAPI(set *projections.Set) *queryapi.API {
	s.t.Helper()
	schema, err := queryapi.NewSchema(queryapi.Definition{Set: set})
	if err != nil {
		s.t.Fatal(err)
	}
	config, err := pgxpool.ParseConfig(s.db.RoleURL("readside_query"))
	if err != nil {
		s.t.Fatal(err)
	}
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(s.t.Context(), config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(pool.Close)
	api, err := queryapi.New(schema, queryapi.Options{Pool: pool, Logger: s.logger()})
	if err != nil {
		s.t.Fatal(err)
	}
	return api
}

// mustVerify compares every row of a set's views with the fold of the log.
func (s *shop) mustVerify(set *projections.Set) {
	s.t.Helper()
	found, err := verify.Views(s.t.Context(), verify.Config{Application: dbtest.Application, Projector: "main", Log: s.log, Postgres: s.config, Set: set})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range found {
		if !v.OK() {
			s.t.Errorf("view %s: %d rows differ: %+v", v.View, v.Differences.Count, v.Differences.First[0])
		}
	}
}

// until asks again until the condition holds, bounded by the tests' patience.
func (s *shop) until(what string, condition func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	give := time.After(patience)
	for !condition() {
		if s.broken.Load() {
			s.t.Fatalf("something failed before %s", what)
		}
		select {
		case <-tick.C:
		case <-give:
			s.t.Fatalf("waited %s in vain until %s", patience, what)
		}
	}
}

// lasts lets the load go on for a time.
func (s *shop) lasts(d time.Duration) {
	s.t.Helper()
	select {
	case <-time.After(d):
	case <-s.t.Context().Done():
		s.t.Fatal("the test was ended")
	}
}

func (s *shop) int(sql string, args ...any) (n int64) {
	s.t.Helper()
	if err := s.db.Pool.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *shop) text(sql string, args ...any) (text string) {
	s.t.Helper()
	if err := s.db.Pool.QueryRow(s.t.Context(), sql, args...).Scan(&text); err != nil {
		s.t.Fatal(err)
	}
	return text
}
