package eventlog_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/logtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const testBound = logtest.Bound

type noted = logtest.Noted

var (
	bounded   = logtest.Bounded
	newEvents = logtest.Events
	open      = logtest.Open
	tryAppend = logtest.Append
)

// appendTo appends n events to the stream in a transaction of its own.
func appendTo(t testing.TB, log *eventlog.Log, pool *pgxpool.Pool, stream string, expected int64, n int) eventlog.Position {
	t.Helper()
	position, err := tryAppend(bounded(t), log, pool, eventlog.Append{Stream: stream, Expected: expected, Events: newEvents(t, n)})
	if err != nil {
		t.Fatal(err)
	}
	return position
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
