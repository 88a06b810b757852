// Package logtest is what tests of the log and of what stands around it have in common:
// events of one type, a log to append them to, and a bound for every wait.
package logtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
)

// Bound is how long any single test may wait for what it expects.
const Bound = 60 * time.Second

// Bounded is a context that ends with the test, and after Bound.
func Bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Bound)
	t.Cleanup(cancel)
	return ctx
}

// Noted is the event type of these tests.
type Noted struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

// EventType implements eventlog.Typed.
func (Noted) EventType() (string, int) { return "test.Noted", 1 }

// Events makes n events whose envelopes have every attribute.
func Events(t testing.TB, n int) []eventlog.Event {
	t.Helper()
	events := make([]eventlog.Event, n)
	for i := range events {
		e, err := eventlog.NewEvent(Noted{N: i, Text: fmt.Sprintf("text %d", i)}, eventlog.Meta{
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

// Open opens the log of a database.
func Open(t testing.TB, pool *pgxpool.Pool, options ...eventlog.Option) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(Bounded(t), pool, options...)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// Append appends in a transaction of its own.
func Append(ctx context.Context, log *eventlog.Log, pool *pgxpool.Pool, appends ...eventlog.Append) (p eventlog.Position, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		p, err = log.Append(ctx, tx, appends...)
		return err
	})
	return p, err
}
