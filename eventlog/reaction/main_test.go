package reaction_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/logtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const testBound = logtest.Bound

var bounded = logtest.Bounded

// asked is what the service of these tests reacts to; other it does not handle.
type asked struct {
	N int `json:"n"`
}

type other struct{}

func (asked) EventType() (string, int) { return "test.Asked", 1 }
func (other) EventType() (string, int) { return "test.Other", 1 }

// service is a service with a table that counts how often each event had its effect.
type service struct {
	db   *dbtest.DB
	log  *eventlog.Log
	pool *pgxpool.Pool
}

func newService(t testing.TB) *service {
	t.Helper()
	return serviceOn(t, dbtest.Postgres(t))
}

func serviceOn(t testing.TB, db *dbtest.DB) *service {
	t.Helper()
	_, err := db.Pool.Exec(bounded(t), `
		create schema svc;
		select eventlog.create_reaction_tables('svc');
		create table svc.effects (at bigint generated always as identity, n integer not null, event_id text not null);
		grant usage on schema svc to readside_appender;
		grant select, insert, update, delete on all tables in schema svc to readside_appender`)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{db: db, pool: db.Role(t, "readside_appender")}
	if s.log, err = eventlog.Open(bounded(t), s.pool); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) config() reaction.Config {
	return reaction.Config{
		Log: s.log, Pool: s.pool, Schema: "svc", Name: "svc", RetryFirst: time.Millisecond,
		Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	}
}

// publish appends n asked events from number on, one stream each, with other events between.
func (s *service) publish(t testing.TB, from, n int) (last eventlog.Position) {
	t.Helper()
	for chunk := range slices.Chunk(numbers(from, n), 500) {
		var appends []eventlog.Append
		for _, i := range chunk {
			e, err := eventlog.NewEvent(asked{N: i}, eventlog.Meta{CorrelationID: "c"})
			o, err2 := eventlog.NewEvent(other{}, eventlog.Meta{})
			if err := errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			appends = append(appends, eventlog.Append{Stream: "ask-" + e.ID, Events: []eventlog.Event{e, o}})
		}
		err := pgx.BeginFunc(bounded(t), s.pool, func(tx pgx.Tx) (err error) {
			last, err = s.log.Append(bounded(t), tx, appends...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return last
}

func numbers(from, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = from + i
	}
	return all
}

// effect is the handler's effect.
func effect(ctx context.Context, tx pgx.Tx, e asked, event eventlog.Event) error {
	_, err := tx.Exec(ctx, `insert into svc.effects (n, event_id) values ($1, $2)`, e.N, event.ID)
	return err
}

// run starts a reactor; stop ends it and returns its error.
func run(t testing.TB, config reaction.Config, handlers ...reaction.Handler) (r *reaction.Reactor, stop func() error) {
	t.Helper()
	r, err := reaction.New(config, handlers...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bounded(t))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	return r, stop
}

// until waits for the reactor to have handled the log up to the position.
func until(t testing.TB, r *reaction.Reactor, to eventlog.Position) {
	t.Helper()
	ctx := bounded(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if order, err := r.Position().Compare(to); err == nil && order >= 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the reactor stands at %d, not at %d, after %s", r.Position().Place(), to.Place(), testBound)
		}
	}
}

// effects are the effects in the order in which they were written.
func (s *service) effects(t testing.TB) []int {
	t.Helper()
	rows, err := s.db.Pool.Query(bounded(t), `select n from svc.effects order by at`)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func (s *service) wantEffects(t testing.TB, want []int) {
	t.Helper()
	if got := s.effects(t); !slices.Equal(got, want) {
		t.Fatalf("%d effects, want %d, each once and in order: %.200v", len(got), len(want), got)
	}
}
