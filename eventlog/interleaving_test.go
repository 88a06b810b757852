package eventlog_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

// gate runs a step of the test before a statement goes to the server, once: what the
// reader does between two of its statements happens there, and not by luck.
type gate struct {
	statement string // a part of it
	step      func()
	passed    atomic.Bool
}

func (g *gate) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if strings.Contains(data.SQL, g.statement) && g.passed.CompareAndSwap(false, true) {
		g.step()
	}
	return ctx
}

func (*gate) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// gated is the log as a reader opens it over connections with a gate.
func gated(t *testing.T, db *dbtest.DB, g *gate) *eventlog.Log {
	t.Helper()
	config := db.Pool.Config()
	config.ConnConfig.Tracer = g
	pool, err := pgxpool.NewWithConfig(bounded(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return open(t, pool)
}

// holdersPart is of the statement that sees who is appending.
const holdersPart = "array_agg(h.virtualtransaction)"

// The last appender commits after a page was read and before it is seen to have ended:
// then the page does not have its event, and must not pass as all there is.
func TestAPageReadBeforeItsProofIsReadAgain(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	writer := open(t, db.Pool)
	for name, q := range map[string]eventlog.Query{"all": {}, "one type": {Types: []string{"test.Noted"}}, "lean": {Lean: true}} {
		start, err := writer.Head(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		first := appendTo(t, writer, db.Pool, name+"-a", 0, 1)
		slow := begin(t, db.Pool)
		held, err := writer.Append(bounded(t), slow, eventlog.Append{Stream: name + "-slow", Events: newEvents(t, 1)})
		if err != nil {
			t.Fatal(err)
		}
		last := appendTo(t, writer, db.Pool, name+"-b", 0, 1)
		g := &gate{statement: holdersPart, step: func() {
			if err := slow.Commit(bounded(t)); err != nil {
				t.Error(err)
			}
		}}
		log := gated(t, db, g)
		var got []int64
		for at := start; at != last; {
			page := read1(t, log, at, q)
			for _, e := range page.Events {
				got = append(got, e.Position.Place())
			}
			at = page.Next
		}
		if !g.passed.Load() {
			t.Fatalf("%s: nobody looked who is appending: this is no test of it", name)
		}
		if diff := cmp.Diff([]int64{first.Place(), held.Place(), last.Place()}, got); diff != "" {
			t.Errorf("%s: the places read are not the log's (-want +got):\n%s", name, diff)
		}
	}
}

// The log's end is seen before its appenders are: one that draws its place between the
// two looks stands behind the end that is proved, and is not passed.
func TestAnAppenderBetweenTheTwoLooksIsNotPassed(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	writer := open(t, db.Pool)
	dead := begin(t, db.Pool)
	if _, err := writer.Append(bounded(t), dead, eventlog.Append{Stream: "dead", Events: newEvents(t, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := dead.Rollback(bounded(t)); err != nil {
		t.Fatal(err)
	}
	first := appendTo(t, writer, db.Pool, "a", 0, 1)
	var held, last eventlog.Position
	slow := begin(t, db.Pool)
	g := &gate{statement: holdersPart, step: func() {
		var err error
		if held, err = writer.Append(bounded(t), slow, eventlog.Append{Stream: "slow", Events: newEvents(t, 1)}); err != nil {
			t.Error(err)
		}
		last = appendTo(t, writer, db.Pool, "b", 0, 1)
	}}
	log := gated(t, db, g)
	var got []int64
	at := log.Start()
	for range 4 {
		page := read1(t, log, at, eventlog.Query{})
		for _, e := range page.Events {
			got = append(got, e.Position.Place())
		}
		at = page.Next
	}
	if at.Place() >= held.Place() {
		t.Fatalf("the reader came to place %d, past place %d, which is still open", at.Place(), held.Place())
	}
	if err := slow.Commit(bounded(t)); err != nil {
		t.Fatal(err)
	}
	for at != last {
		page := read1(t, log, at, eventlog.Query{})
		for _, e := range page.Events {
			got = append(got, e.Position.Place())
		}
		at = page.Next
	}
	if diff := cmp.Diff([]int64{first.Place(), held.Place(), last.Place()}, got); diff != "" {
		t.Errorf("the places read are not the log's (-want +got):\n%s", diff)
	}
}
