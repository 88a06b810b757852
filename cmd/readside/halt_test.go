package main

import (
	"strings"
	"testing"
	"time"

	"github.com/readside/readside"
)

// An event that no code can read halts both projectors, where nothing is to be parked,
// and status says everything
// that an operator needs; the lag is that of the log, although nobody projects.
func TestAHaltedProjectorIsShownWithItsFault(t *testing.T) {
	db, _ := useStores(t)
	must(t, readside.ExitOK, "migrate", "up")
	if _, err := db.Pool.Exec(t.Context(), `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
values (1, now(), 99, 'e-1', 'postgres', 'ordering.OrderSubmitted', 'order-1', '{}')`); err != nil {
		t.Fatal(err)
	}
	t.Setenv("READSIDE_PARKED_MAX", "-1")
	contains(t, must(t, readside.ExitNo, "project").err, "ordering.OrderSubmitted", "99")
	contains(t, must(t, readside.ExitOK, "status").out, "HALTED", "ordering.OrderSubmitted", "order-1", "hint", "error")
	r := statusNow(t)
	for _, p := range r.Projectors {
		if p.State != "halted" || p.Fault == nil || p.Fault.Error == "" || p.Fault.Hint == "" || p.LagEvents != 1 || p.LagSeconds <= 0 {
			t.Errorf("projector %s: %+v, fault %+v", p.Name, p.Progress, p.Fault)
		}
	}
	if len(r.Projectors) != 2 {
		t.Errorf("%d projectors", len(r.Projectors))
	}
}

// Somebody who holds the log back is named.
func TestWhoHoldsTheLogBackIsNamed(t *testing.T) {
	db, _ := useStores(t)
	must(t, readside.ExitOK, "migrate", "up")
	const event = `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
values (1, now(), 1, $1, 'postgres', 'noise', $1, '{}')`
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), event, "held"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool.Exec(t.Context(), event, "later"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(testWait)
	for text := ""; !strings.Contains(text, "HELD BACK"); { // who holds it for a moment is not worth a line
		if text = must(t, readside.ExitOK, "status").out; time.Now().After(deadline) {
			t.Fatalf("nobody is said to hold the log back:\n%s", text)
		}
	}
	contains(t, must(t, readside.ExitOK, "status").out, "HELD BACK", "pg_terminate_backend")
	if r := statusNow(t); r.Log.Blocker == "" || r.Log.BlockedSince.IsZero() {
		t.Errorf("the log: %+v", r.Log)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := statusNow(t); r.Log.Blocker != "" {
		t.Errorf("nobody holds the log back, but status names %s", r.Log.Blocker)
	}
}
