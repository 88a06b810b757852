package eventlog_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// testBound is how long any single test may wait for what it expects.
const testBound = 60 * time.Second

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testBound)
	t.Cleanup(cancel)
	return ctx
}

// noted is the event type of these tests.
type noted struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func (noted) EventType() (string, int) { return "test.Noted", 1 }

func newEvents(t testing.TB, n int) []eventlog.Event {
	t.Helper()
	events := make([]eventlog.Event, n)
	for i := range events {
		e, err := eventlog.NewEvent(noted{N: i, Text: fmt.Sprintf("text %d", i)}, eventlog.Meta{
			Time:          time.Date(2026, 3, 4, 5, 6, 7, 8_009_010, time.FixedZone("X", 3600)),
			CorrelationID: "c", CausationID: "a", TraceParent: "t", PersonID: "p",
		})
		if err != nil {
			t.Fatal(err)
		}
		events[i] = e
	}
	return events
}

func open(t testing.TB, pool *pgxpool.Pool, options ...eventlog.Option) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(bounded(t), pool, options...)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// appendTo appends n events to the stream in a transaction of its own.
func appendTo(t testing.TB, log *eventlog.Log, pool *pgxpool.Pool, stream string, expected int64, n int) eventlog.Position {
	t.Helper()
	position, err := tryAppend(bounded(t), log, pool, eventlog.Append{Stream: stream, Expected: expected, Events: newEvents(t, n)})
	if err != nil {
		t.Fatal(err)
	}
	return position
}

func tryAppend(ctx context.Context, log *eventlog.Log, pool *pgxpool.Pool, appends ...eventlog.Append) (position eventlog.Position, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		position, err = log.Append(ctx, tx, appends...)
		return err
	})
	return position, err
}

// readAll reads from the start until the log's settled end.
func readAll(t testing.TB, log *eventlog.Log, q eventlog.Query) []eventlog.Event {
	t.Helper()
	ctx := bounded(t)
	var events []eventlog.Event
	at := log.Start()
	for {
		page, err := log.Read(ctx, at, q)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, page.Events...)
		if page.Next == at && !page.Held {
			return events
		}
		at = page.Next
	}
}
