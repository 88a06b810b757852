package eventlog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

// A lean reader gets all that it did not do without, with and without a filter by type.
func TestALeanReaderLeavesOutFourAttributes(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	e, err := eventlog.NewEvent(noted{}, eventlog.Meta{CorrelationID: "why", CausationID: "cause", PersonID: "person", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryAppend(bounded(t), log, db.Pool, eventlog.Append{Stream: "s", Events: []eventlog.Event{e}}); err != nil {
		t.Fatal(err)
	}
	for _, types := range [][]string{nil, {"test.Noted"}} {
		want := read1(t, log, log.Start(), eventlog.Query{Types: types}).Events
		if len(want) != 1 || want[0].Source == "" || want[0].CausationID != "cause" || want[0].TraceParent != e.TraceParent || want[0].PersonID != "person" {
			t.Fatalf("types %v: %+v", types, want)
		}
		want[0].Source, want[0].CausationID, want[0].TraceParent, want[0].PersonID = "", "", "", ""
		got := read1(t, log, log.Start(), eventlog.Query{Types: types, Lean: true}).Events
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b eventlog.Position) bool { return a == b })); diff != "" {
			t.Errorf("types %v:\n%s", types, diff)
		}
	}
}
