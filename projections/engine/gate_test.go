package engine_test

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// gate holds a worker up inside a transaction, at a certain statement, until it is opened.
type gate struct {
	f    *fixture
	conn *pgxpool.Conn
	// statement is how the statement begins.
	statement string
}

// gateLock is the advisory lock that the statement waits for.
const gateLock = 4711

// gate shuts a gate before rows that a trigger, on a table and under a condition, sees
// to be inserted.
func (f *fixture) gate(trigger, statement string) *gate {
	f.t.Helper()
	return f.gateBefore("insert on "+trigger, statement)
}

// gateBefore shuts a gate before the rows of a trigger.
func (f *fixture) gateBefore(trigger, statement string) *gate {
	f.t.Helper()
	conn, err := f.db.Pool.Acquire(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(conn.Release)
	if _, err := conn.Exec(f.t.Context(), `select pg_advisory_lock($1)`, gateLock); err != nil {
		f.t.Fatal(err)
	}
	f.exec(fmt.Sprintf(`create function wait() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock_shared(%d); return new; end $$`, gateLock))
	f.exec(fmt.Sprintf(`create trigger wait before %s execute function wait()`, trigger))
	return &gate{f, conn, statement}
}

// gateSlices holds a build up that has copied a slice, where it writes that down.
func (f *fixture) gateSlices(view string, slice int) *gate {
	f.t.Helper()
	return f.gate(fmt.Sprintf(`readside.slices for each row when (new.view = '%s' and new.slice = %d)`, view, slice), "insert into readside.slices")
}

// gateCheckpoint holds a worker up that has written a batch, where it moves its
// checkpoint.
func (f *fixture) gateCheckpoint() *gate {
	f.t.Helper()
	return f.gateBefore(`update of place on readside.projectors for each row`, "update readside.projectors set place")
}

// gateCopies holds a worker up inside a COPY of new talks.
func (f *fixture) gateCopies() *gate {
	f.t.Helper()
	return f.gate(`views.talk_v1_g1 for each row`, "copy")
}

// reached returns when the worker stands before the gate.
func (g *gate) reached() {
	g.f.t.Helper()
	g.f.until("the worker stands before the gate at "+g.statement, func() bool {
		return g.f.int(`select count(*) from pg_stat_activity where datname = current_database() and starts_with(query, $1) and wait_event = 'advisory'`, g.statement) == 1
	})
}

func (g *gate) open() {
	g.f.t.Helper()
	if _, err := g.conn.Exec(g.f.t.Context(), `select pg_advisory_unlock_all()`); err != nil {
		g.f.t.Fatal(err)
	}
}
