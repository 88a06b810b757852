package eventlog_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/logtest"
)

func silent() *slog.Logger { return slog.New(slog.NewJSONHandler(io.Discard, nil)) }

// followed gives the events as they come.
func followed(t testing.TB, log *eventlog.Log) <-chan eventlog.Event {
	t.Helper()
	events := make(chan eventlog.Event, 1000)
	logtest.InBackground(t, func(ctx context.Context) error {
		return log.Follow(ctx, eventlog.Position{}, eventlog.Query{}, func(_ context.Context, page eventlog.Page) error {
			for _, e := range page.Events {
				events <- e
			}
			return nil
		})
	})
	return events
}

func receive(t testing.TB, events <-chan eventlog.Event) eventlog.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(testBound):
		t.Fatal("no event came")
	}
	return eventlog.Event{}
}

func TestFollowWithoutAnnouncementsPolls(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	events := followed(t, log)
	for i := range 5 {
		want := appendTo(t, log, db.Pool, "s", int64(i), 1)
		if e := receive(t, events); e.Position != want {
			t.Fatalf("place %d, want %d", e.Position.Place(), want.Place())
		}
	}
}

func TestLostConnectionsCostNoEvent(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	config := db.Pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = "announcing"
	listener := announce.NewListener(config, silent())
	notifier := announce.NewNotifier(config, silent(), announce.Events)
	logtest.InBackground(t, listener.Run)
	logtest.InBackground(t, notifier.Run)
	log := open(t, db.Pool, eventlog.WithListener(listener))
	events := followed(t, log)
	logtest.Connected(t, listener)
	for i := range 5 {
		// Both connections die, and the announcement is lost on purpose every other time.
		killed := listener.Announced(announce.Events)
		terminate(t, db.Pool, "announcing")
		want := appendTo(t, log, db.Pool, "s", int64(i), 1)
		if i%2 == 0 {
			notifier.Announce()
		}
		if e := receive(t, events); e.Position != want {
			t.Fatalf("place %d, want %d", e.Position.Place(), want.Place())
		}
		<-killed // announced by the connection that came back
	}
}

func terminate(t testing.TB, pool *pgxpool.Pool, application string) {
	t.Helper()
	_, err := pool.Exec(bounded(t), `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and application_name = $1`, application)
	if err != nil {
		t.Fatal(err)
	}
}

func TestFollowGoesOnWhenTheHolderRollsBack(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	events := followed(t, log)
	tx := begin(t, db.Pool)
	if _, err := log.Append(bounded(t), tx, eventlog.Append{Stream: "slow", Events: newEvents(t, 1)}); err != nil {
		t.Fatal(err)
	}
	want := appendTo(t, log, db.Pool, "s", 0, 1)
	if err := tx.Rollback(bounded(t)); err != nil { // nobody announces it
		t.Fatal(err)
	}
	if e := receive(t, events); e.Position != want {
		t.Fatalf("place %d, want %d", e.Position.Place(), want.Place())
	}
}

func TestFollowEnds(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	last := appendTo(t, log, db.Pool, "s", 0, 10)
	n := 0
	count := func(_ context.Context, page eventlog.Page) error { n += len(page.Events); return nil }
	if err := log.Follow(bounded(t), log.Start(), eventlog.Query{Until: last.At(4)}, count); err != nil || n != 4 {
		t.Fatalf("%d events, %v; want 4 and nil at the end asked for", n, err)
	}
	errStop := errors.New("stop")
	err := log.Follow(bounded(t), log.Start(), eventlog.Query{}, func(context.Context, eventlog.Page) error { return errStop })
	if !errors.Is(err, errStop) {
		t.Fatal(err)
	}
}
