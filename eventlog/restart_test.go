package eventlog_test

import (
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/migrations"
)

// With synchronous_commit off a server that crashed may have lost its last commits, and
// gives their places away again. What a process proved of them before is proved no more,
// though the first of it to meet the new server appends and does not read.
func TestNothingStaysProvedOverARestart(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	cluster := dbtest.PostgresServer(t, embedded.PostgresOptions{Durable: true})
	if err := migrations.Up(ctx, cluster.URL("postgres", embedded.Superuser), migrations.Engine); err != nil {
		t.Fatal(err)
	}
	pool := poolOf(t, cluster.URL("postgres", embedded.Superuser))
	log := open(t, pool)
	appendTo(t, log, pool, "a", 0, 5)
	from := readAll(t, log, eventlog.Query{})[2].Position
	if err := cluster.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	pool.Reset()
	// What such a crash leaves: the last two events, and what was noted of them, are gone.
	for _, lost := range []string{
		`delete from eventlog.events where position > 3`,
		`update eventlog.settled set position = 3`,
		`select setval(pg_get_serial_sequence('eventlog.events', 'position'), 3)`,
	} {
		if _, err := pool.Exec(ctx, lost); err != nil {
			t.Fatal(err)
		}
	}
	open := begin(t, pool)
	held, err := log.Append(ctx, open, eventlog.Append{Stream: "held", Events: newEvents(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	later := appendTo(t, log, pool, "later", 0, 1)
	if held.Place() != 4 || later.Place() != 5 {
		t.Fatalf("appended at places %d and %d, want 4 and 5", held.Place(), later.Place())
	}
	page, err := log.Read(ctx, from, eventlog.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) > 0 || page.Next != from {
		t.Fatalf("the reader got %d events and came to place %d, past place 4, which is still open", len(page.Events), page.Next.Place())
	}
	if err := open.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, log, eventlog.Query{}); len(got) != 5 {
		t.Errorf("read %d events, want 5", len(got))
	}
}
