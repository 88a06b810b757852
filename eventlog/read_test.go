package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

// read1 is one Read that has to succeed.
func read1(t testing.TB, log *eventlog.Log, from eventlog.Position, q eventlog.Query) eventlog.Page {
	t.Helper()
	page, err := log.Read(bounded(t), from, q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// begin opens a transaction that the test's end rolls back.
func begin(t testing.TB, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = tx.Rollback(ctx)
	})
	return tx
}

func TestPagesPassEveryPlaceOnce(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	last := appendTo(t, log, db.Pool, "s", 0, 25)
	at, n := log.Start(), 0
	for range 3 {
		page := read1(t, log, at, eventlog.Query{Limit: 10})
		n += len(page.Events)
		at = page.Next
	}
	if n != 25 || at != last {
		t.Fatalf("%d events, at %d; want 25, at %d", n, at.Place(), last.Place())
	}
	if page := read1(t, log, at, eventlog.Query{}); len(page.Events) != 0 || page.Next != at || page.Head != last || page.Held {
		t.Fatalf("after the end: %+v", page)
	}
	page := read1(t, log, log.Start(), eventlog.Query{Until: last.At(7)})
	if len(page.Events) != 7 || page.Next != last.At(7) {
		t.Fatalf("until place 7: %d events, next %d", len(page.Events), page.Next.Place())
	}
	if page := read1(t, log, page.Next, eventlog.Query{Until: last.At(7)}); len(page.Events) != 0 || page.Next != last.At(7) {
		t.Fatalf("beyond until: %+v", page)
	}
}

func TestNextPassesOtherTypesAndDeadPlaces(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	appendTo(t, log, db.Pool, "a", 0, 3)
	tx := begin(t, db.Pool)
	if _, err := log.Append(bounded(t), tx, eventlog.Append{Stream: "dead", Events: newEvents(t, 4)}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(bounded(t)); err != nil {
		t.Fatal(err)
	}
	last := appendTo(t, log, db.Pool, "b", 0, 1)
	page := read1(t, log, log.Start(), eventlog.Query{Types: []string{"test.Elsewhere"}})
	if len(page.Events) != 0 || page.Next != last {
		t.Fatalf("%d events, next %d; want none, %d", len(page.Events), page.Next.Place(), last.Place())
	}
	if page := read1(t, log, log.Start(), eventlog.Query{Types: []string{}}); len(page.Events) != 0 || page.Next != last {
		t.Fatalf("no types: %+v", page)
	}
	if page := read1(t, log, log.Start(), eventlog.Query{Types: []string{"test.Noted"}}); len(page.Events) != 4 {
		t.Fatalf("%d events, want 4", len(page.Events))
	}
}

func TestAnOpenAppendHoldsTheLogBackAndIsNamed(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	if _, held, err := log.Blocker(bounded(t)); err != nil || held {
		t.Fatal("an idle log is held back", err)
	}
	first := appendTo(t, log, db.Pool, "a", 0, 1)
	slow := begin(t, db.Pool)
	if _, err := slow.Exec(bounded(t), `set local application_name = 'the slow one'`); err != nil {
		t.Fatal(err)
	}
	middle, err := log.Append(bounded(t), slow, eventlog.Append{Stream: "slow", Events: newEvents(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	last := appendTo(t, log, db.Pool, "b", 0, 1)
	page := read1(t, log, log.Start(), eventlog.Query{})
	if len(page.Events) != 1 || page.Next != first || !page.Held {
		t.Fatalf("%d events, next %d, held %v; want what stands before the open one", len(page.Events), page.Next.Place(), page.Held)
	}
	// Also from beyond it, where a checkpoint may stand of a token that was waited for.
	if page := read1(t, log, last, eventlog.Query{}); len(page.Events) != 0 || page.Next != last {
		t.Fatalf("%+v", page)
	}
	// A fresh process sees the same.
	holder, held, err := open(t, db.Role(t, "readside_reader")).Blocker(bounded(t))
	if err != nil || !held {
		t.Fatal("nobody holds the log back", err)
	}
	if holder.PID != int(slow.Conn().PgConn().PID()) || holder.Application != "the slow one" || holder.Role != "postgres" ||
		holder.TransactionID == "" || time.Since(holder.Since) > testBound || !strings.Contains(holder.String(), "pg_terminate_backend") {
		t.Fatalf("%+v", holder)
	}
	if err := slow.Commit(bounded(t)); err != nil {
		t.Fatal(err)
	}
	events := readAll(t, log, eventlog.Query{})
	if len(events) != 3 || events[1].Position != middle {
		t.Fatalf("%d events after the commit, want all three in order", len(events))
	}
}

func TestAPreparedTransactionIsNamed(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	tx := begin(t, db.Pool)
	if _, err := log.Append(bounded(t), tx, eventlog.Append{Stream: "p", Events: newEvents(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(bounded(t), `prepare transaction '`+db.Name+`'`); err != nil {
		t.Fatal(err)
	}
	appendTo(t, log, db.Pool, "b", 0, 1)
	holder, held, err := log.Blocker(bounded(t))
	if err != nil || !held || holder.Prepared != db.Name || holder.PID != 0 || !strings.Contains(holder.String(), "COMMIT PREPARED") {
		t.Fatalf("%+v, %v, %v", holder, held, err)
	}
	if _, err := db.Pool.Exec(bounded(t), `commit prepared '`+db.Name+`'`); err != nil {
		t.Fatal(err)
	}
	if n := len(readAll(t, log, eventlog.Query{})); n != 2 {
		t.Fatalf("%d events, want 2", n)
	}
}

// A copy of the database has tables with the same numbers.
func TestAnOpenAppendInACopyOfTheDatabaseHoldsNothingBack(t *testing.T) {
	t.Parallel()
	db, stranger := dbtest.Postgres(t), dbtest.Postgres(t)
	log, strange := open(t, db.Pool), open(t, stranger.Pool)
	if log.Start().SameLog(strange.Start()) {
		t.Fatal("two databases, one log")
	}
	if _, err := strange.Append(bounded(t), begin(t, stranger.Pool), eventlog.Append{Stream: "x", Events: newEvents(t, 1)}); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, db.Pool)
	if _, err := log.Append(bounded(t), tx, eventlog.Append{Stream: "dead", Events: newEvents(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(bounded(t)); err != nil {
		t.Fatal(err)
	}
	last := appendTo(t, log, db.Pool, "a", 0, 1)
	if page := read1(t, log, log.Start(), eventlog.Query{}); page.Next != last || page.Held {
		t.Fatalf("held back by another database: %+v", page)
	}
}

func TestForeignPositionsAreRefused(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	last := appendTo(t, log, db.Pool, "a", 0, 2)
	identity, incarnation, _ := last.Parts()
	for name, from := range map[string]eventlog.Position{
		"another log":         eventlog.NewPosition(uuid.New(), incarnation, 1),
		"another incarnation": eventlog.NewPosition(identity, incarnation+1, 1),
		"beyond the end":      last.At(3),
	} {
		if _, err := log.Read(bounded(t), from, eventlog.Query{}); !errors.Is(err, eventlog.ErrForeignPosition) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := log.Read(bounded(t), last, eventlog.Query{Until: eventlog.NewPosition(uuid.New(), 1, 1)}); !errors.Is(err, eventlog.ErrForeignPosition) {
		t.Error("a foreign end:", err)
	}
}

// A copy of the log is another incarnation. It has the events of before, whose positions
// are as good as its own, but for those that it lost; their places may be given out again.
func TestAnotherPlaceIsAnotherIncarnation(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	if again := open(t, db.Role(t, "readside_appender")); !again.Start().SameLog(log.Start()) {
		t.Fatal("opening it again made another log of it")
	}
	for i, moved := range []string{"system_identifier = 1", "timeline = 77", "database = 1", "relation = 1"} {
		last := appendTo(t, log, db.Pool, fmt.Sprint("a", i), 0, 3)
		kept := last.At(last.Place() - 1)
		elsewhere(t, db, moved, last.Place())
		reader := open(t, db.Role(t, "readside_reader"))
		if _, err := reader.Read(bounded(t), last, eventlog.Query{}); !errors.Is(err, eventlog.ErrForeignPosition) {
			t.Errorf("%s: the lost place: %v", moved, err)
		}
		if page, err := reader.Read(bounded(t), kept, eventlog.Query{}); err != nil || !page.Next.SameLog(reader.Start()) || page.Next.SameLog(kept) {
			t.Errorf("%s: a place that is there: %+v, %v", moved, page, err)
		}
		if _, err := reader.Current(bounded(t), last.At(last.Place()+1)); !errors.Is(err, eventlog.ErrForeignPosition) {
			t.Errorf("%s: a place beyond the end: %v", moved, err)
		}
		// One that was open all the time goes over by itself.
		if now, err := log.Current(bounded(t), kept); err != nil || now != reader.Start().At(kept.Place()) {
			t.Errorf("%s: the log that was open: %v, %v", moved, now, err)
		}
	}
}

func identityOf(p eventlog.Position) uuid.UUID {
	identity, _, _ := p.Parts()
	return identity
}

// elsewhere makes the log a copy that lost the event at a place.
func elsewhere(t *testing.T, db *dbtest.DB, moved string, lost int64) {
	t.Helper()
	for _, sql := range []string{`update eventlog.incarnations set ` + moved, fmt.Sprintf(`delete from eventlog.events where position = %d`, lost)} {
		if _, err := db.Pool.Exec(bounded(t), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// A client's token is good where its event is there, whichever incarnation it is of, also
// for those who only read tables.
func TestTokensOfAFormerIncarnation(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	first := appendTo(t, log, db.Pool, "a", 0, 1)
	gone := appendTo(t, log, db.Pool, "b", 0, 1)
	kept := appendTo(t, log, db.Pool, "c", 0, 1)
	last := appendTo(t, log, db.Pool, "d", 0, 1)
	elsewhere(t, db, "timeline = 77", last.Place())
	// On its way when the other server took over: a later place came there and this one did not.
	if _, err := db.Pool.Exec(bounded(t), `delete from eventlog.events where position = $1`, gone.Place()); err != nil {
		t.Fatal(err)
	}
	log = open(t, db.Pool)
	again := appendTo(t, log, db.Pool, "e", 0, 1)
	query := db.Role(t, "readside_query")
	for name, c := range map[string]struct {
		token eventlog.Position
		good  bool
	}{
		"the first":                     {first, true},
		"the last that is there":        {kept, true},
		"of this incarnation":           {again, true},
		"none":                          {eventlog.Position{}, true},
		"on its way":                    {gone, false},
		"lost":                          {last, false},
		"lost, and its place given out": {last.At(again.Place()), false},
		"of another log":                {eventlog.NewPosition(uuid.New(), 1, 1), false},
		"of another copy":               {eventlog.NewPosition(identityOf(first), 5, 1), false},
	} {
		now, err := eventlog.Resolve(bounded(t), query, c.token)
		if c.good && (err != nil || now.Place() != c.token.Place() || !now.SameLog(log.Start())) || !c.good && !errors.Is(err, eventlog.ErrForeignPosition) {
			t.Errorf("%s: %v, %v", name, now, err)
		}
	}
}

func TestALogWithoutItsHeadSaysSo(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	appendTo(t, log, db.Pool, "a", 0, 5)
	_, err := db.Pool.Exec(bounded(t), `delete from eventlog.events where position <= 3; update eventlog.log set kept_from = 4`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Read(bounded(t), log.Start(), eventlog.Query{}); !errors.Is(err, eventlog.ErrTruncated) {
		t.Fatal(err)
	}
	kept, err := log.Kept(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if page := read1(t, log, kept, eventlog.Query{}); len(page.Events) != 2 {
		t.Fatalf("%d events, want the 2 that are left", len(page.Events))
	}
}

func TestOpenWithoutSchemaSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := eventlog.Open(bounded(t), dbtest.EmptyPostgres(t).Pool)
	if !errors.Is(err, eventlog.ErrNoSchema) || !strings.Contains(err.Error(), "not migrated") {
		t.Fatal(err)
	}
}

func TestTheSettledPlaceIsHandedOn(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	appender, reader := open(t, db.Role(t, "readside_appender")), open(t, db.Role(t, "readside_reader"))
	last := appendTo(t, appender, db.Role(t, "readside_appender"), "a", 0, 3)
	settled := func() (place int64) {
		if err := db.Pool.QueryRow(bounded(t), `select position from eventlog.settled`).Scan(&place); err != nil {
			t.Fatal(err)
		}
		return place
	}
	readAll(t, appender, eventlog.Query{})
	if settled() != 0 {
		t.Fatal("an appender wrote down what it proved, though it has no right to")
	}
	readAll(t, reader, eventlog.Query{})
	if settled() != last.Place() {
		t.Fatalf("settled at %d, want %d", settled(), last.Place())
	}
	if _, err := db.Pool.Exec(bounded(t), `select eventlog.settle(1), eventlog.settle(1000)`); err != nil {
		t.Fatal(err)
	}
	if settled() != last.Place() {
		t.Fatalf("it went to %d: never back, never past the last event", settled())
	}
}

// Pages of large events are bounded by their size, behind the log's end and at it, and
// pass every event once.
func TestPagesOfLargeEventsAreBounded(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	const large, bytesEach, bytesMax = 40, 1_000_000, 33 << 20
	appendLarge := func(stream string) (last eventlog.Position) {
		t.Helper()
		events := make([]eventlog.Event, large)
		for i := range events {
			var err error
			if events[i], err = eventlog.NewEvent(noted{Text: strings.Repeat("x", bytesEach)}, eventlog.Meta{}); err != nil {
				t.Fatal(err)
			}
		}
		last, err := tryAppend(bounded(t), log, db.Pool, eventlog.Append{Stream: stream, Events: events})
		if err != nil {
			t.Fatal(err)
		}
		return last
	}
	read := func(name string, from, to eventlog.Position, q eventlog.Query) {
		t.Helper()
		next := from.Place() + 1
		for ctx := bounded(t); from != to; {
			page, err := log.Read(ctx, from, q)
			if err != nil {
				t.Fatal(err)
			}
			bytes := 0
			for _, e := range page.Events {
				if e.Position.Place() != next {
					t.Fatalf("%s: place %d came where place %d was due", name, e.Position.Place(), next)
				}
				next++
				bytes += len(e.Data)
			}
			if bytes > bytesMax {
				t.Fatalf("%s: a page of %d events holds %d bytes", name, len(page.Events), bytes)
			}
			from = page.Next
		}
		if next != to.Place()+1 {
			t.Fatalf("%s: the last event came at place %d, not at %d", name, next-1, to.Place())
		}
	}
	// The first page is read beside the look at the end, the large ones come behind it.
	small := appendTo(t, log, db.Pool, "small", 0, 600)
	end := appendLarge("a")
	read("behind", log.Start(), end, eventlog.Query{Limit: 50_000})
	read("known to be large", small, end, eventlog.Query{Limit: 50_000, Types: []string{"test.Noted"}})
	more := appendTo(t, log, db.Pool, "more", 0, 3)
	read("small again", end, more, eventlog.Query{})
	read("at the end", more, appendLarge("b"), eventlog.Query{Limit: 50_000})
}

// A page has from 1 to 50,000 events, a look-up at most as many, and where none is given the
// default holds.
func TestAPageHasABound(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log, err := eventlog.Open(t.Context(), db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, log, db.Pool, "s", 0, 3)
	for limit, wanted := range map[int]int{0: 3, 1: 1, 2: 2, 50_000: 3, 50_001: -1, -1: -1} {
		page, err := log.Read(t.Context(), log.Start(), eventlog.Query{Limit: limit})
		if got := len(page.Events); wanted < 0 && err == nil || wanted >= 0 && (err != nil || got != wanted) {
			t.Errorf("a page of at most %d: %d events, %v, want %d", limit, got, err, wanted)
		}
	}
	places := make([]int64, 50_001)
	for i := range places {
		places[i] = int64(i + 1)
	}
	if found, err := log.At(t.Context(), places[:50_000]); err != nil || len(found) != 3 {
		t.Errorf("50,000 places hold %d events, %v", len(found), err)
	}
	if _, err := log.At(t.Context(), places); err == nil {
		t.Error("50,001 places were looked up at once")
	}
}

// Following from a place hands out what comes behind it, and not the log from its start.
func TestFollowBeginsBehindItsPlace(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log, err := eventlog.Open(t.Context(), db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	from := appendTo(t, log, db.Pool, "s", 0, 2)
	until := appendTo(t, log, db.Pool, "s", 2, 2)
	var versions []int64
	err = log.Follow(t.Context(), from, eventlog.Query{Until: until}, func(_ context.Context, page eventlog.Page) error {
		for _, e := range page.Events {
			versions = append(versions, e.StreamVersion)
		}
		return nil
	})
	if err != nil || !slices.Equal(versions, []int64{3, 4}) {
		t.Errorf("followed the versions %v, %v", versions, err)
	}
}
