package cloudevents_test

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

func open(t testing.TB, pool *pgxpool.Pool) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(bounded(t), pool)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func tryAppend(ctx context.Context, log *eventlog.Log, pool *pgxpool.Pool, appends ...eventlog.Append) (p eventlog.Position, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		p, err = log.Append(ctx, tx, appends...)
		return err
	})
	return p, err
}
