package eventlog_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

func TestAppendedEventsAreReadBackAsTheyWere(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	pool := db.Role(t, "readside_appender")
	log := open(t, pool)
	want := newEvents(t, 3)
	last, err := tryAppend(bounded(t), log, pool, eventlog.Append{Stream: "note-1", Events: want})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i].Stream, want[i].StreamVersion, want[i].Source = "note-1", int64(i+1), "readside_appender"
		want[i].Position = last.At(last.Place() - int64(len(want)-1-i))
	}
	got := readAll(t, log, eventlog.Query{})
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b eventlog.Position) bool { return a == b })); diff != "" {
		t.Fatal(diff)
	}
	if want := time.Date(2026, 3, 4, 4, 6, 7, 8_009_000, time.UTC); !got[0].Time.Equal(want) || got[0].Time.Location() != time.UTC {
		t.Fatalf("time %v, want %v", got[0].Time, want)
	}
}

func TestExpectedVersionTooLowAndTooHighAreRefused(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	appendTo(t, log, db.Pool, "s", 0, 2)
	for name, tc := range map[string]struct {
		appends []eventlog.Append
		actual  int64
	}{
		"too low":             {[]eventlog.Append{{Stream: "s", Expected: 1, Events: newEvents(t, 1)}}, 2},
		"too high":            {[]eventlog.Append{{Stream: "s", Expected: 3, Events: newEvents(t, 1)}}, 2},
		"of a new stream":     {[]eventlog.Append{{Stream: "other", Expected: 1, Events: newEvents(t, 1)}}, 0},
		"second of two":       {[]eventlog.Append{{Stream: "s", Expected: 2, Events: newEvents(t, 1)}, {Stream: "o", Expected: 7, Events: newEvents(t, 1)}}, 0},
		"same stream, broken": {[]eventlog.Append{{Stream: "s", Expected: 2, Events: newEvents(t, 1)}, {Stream: "s", Expected: 2, Events: newEvents(t, 1)}}, 3},
	} {
		_, err := tryAppend(bounded(t), log, db.Pool, tc.appends...)
		var conflict *eventlog.VersionConflictError
		if !errors.As(err, &conflict) {
			t.Fatalf("%s: %v, want a version conflict", name, err)
		}
		if conflict.Actual != tc.actual {
			t.Errorf("%s: %+v, want actual %d", name, conflict, tc.actual)
		}
	}
	if n := len(readAll(t, log, eventlog.Query{})); n != 2 {
		t.Fatalf("%d events after refused appends, want 2", n)
	}
}

func TestOneStreamTwiceInOneAppendContinues(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	_, err := tryAppend(bounded(t), log, db.Pool,
		eventlog.Append{Stream: "s", Events: newEvents(t, 2)},
		eventlog.Append{Stream: "o", Events: newEvents(t, 1)},
		eventlog.Append{Stream: "s", Expected: 2, Events: newEvents(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, e := range readAll(t, log, eventlog.Query{}) {
		order = append(order, e.Stream)
	}
	if diff := cmp.Diff([]string{"s", "s", "o", "s"}, order); diff != "" {
		t.Fatal(diff)
	}
}

func TestOfTwoConcurrentAppendsOneConflicts(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	ctx := bounded(t)
	first, err := db.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Rollback(ctx)
	if _, err := log.Append(ctx, first, eventlog.Append{Stream: "s", Events: newEvents(t, 1)}); err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() {
		_, err := tryAppend(ctx, log, db.Pool, eventlog.Append{Stream: "s", Events: newEvents(t, 1)})
		second <- err
	}()
	untilWaiting(t, db, 1)
	if err := first.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	var conflict *eventlog.VersionConflictError
	if err := <-second; !errors.As(err, &conflict) || conflict.Stream != "s" || conflict.Expected != 0 || conflict.Actual != -1 {
		t.Fatalf("got %v, want a conflict on stream s", err)
	}
}

// untilWaiting returns once n sessions of the database wait for a lock.
func untilWaiting(t testing.TB, db *dbtest.DB, n int) {
	t.Helper()
	ctx := bounded(t)
	for {
		var waiting int
		err := db.Pool.QueryRow(ctx, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting >= n {
			return
		}
	}
}

func TestARolledBackAppendLeavesNothing(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	ctx := bounded(t)
	errStop := errors.New("stop")
	err := pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
		if _, err := log.Append(ctx, tx, eventlog.Append{Stream: "s", Events: newEvents(t, 3)}); err != nil {
			t.Error(err)
		}
		return errStop
	})
	if !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	appendTo(t, log, db.Pool, "s", 0, 1)
	if n := len(readAll(t, log, eventlog.Query{})); n != 1 {
		t.Fatalf("%d events, want the one that was committed", n)
	}
}
