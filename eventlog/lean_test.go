package eventlog_test

import (
	"fmt"
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

// Memory that is used again, and events that stand apart, are the same events; what was
// read apart stays what it was when the memory is used again.
func TestReadingIntoUsedMemory(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	for i := range 50 {
		appendTo(t, log, db.Pool, fmt.Sprintf("s-%d", i), 0, 3)
	}
	end, err := log.Head(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	equal := cmp.Comparer(func(a, b eventlog.Position) bool { return a == b })
	want := read1(t, log, log.Start(), eventlog.Query{Limit: 150, Until: end}).Events
	var got, used []eventlog.Event
	for at := log.Start(); at != end; {
		page := read1(t, log, at, eventlog.Query{Limit: 40, Until: end, Apart: true, Into: used})
		got = append(got, page.Events...)
		if used != nil && len(page.Events) > 0 && &used[:1][0] != &page.Events[0] {
			t.Error("the memory was not used again")
		}
		at, used = page.Next, page.Events
	}
	if diff := cmp.Diff(want, got, equal); diff != "" || len(want) != 150 {
		t.Errorf("%d events:\n%s", len(want), diff)
	}
}
