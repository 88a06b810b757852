package status

import (
	"strings"
	"testing"

	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/watch"
)

// What continuous verification found is a trouble of the view or fact, which names the row
// and how it is mended, and not the values: those who ask for readiness may not know them.
func TestADifferenceIsATrouble(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.projector("main", "live", 10)
	conn := d.backend()
	defer conn.Release()
	d.lease("main", conn)
	scope := Scope{Hot: "main"}
	if all := d.read().Troubles(scope); len(all) != 0 {
		t.Fatalf("all is well, and %+v", all)
	}
	d.exec(`insert into readside.verified (projector, kind, name, version, generation, difference, found_at) values
		('main', 'view', 'order', 3, 1, '{"view": "order", "key": "o-17", "kind": "differs", "columns": ["status"], "stored": "paid by Ann", "expected": "shipped"}', '2026-11-26T10:00:00+02')`)
	all := d.read().Troubles(scope)
	if len(all) != 1 || all[0].Cause != control.Differs || all[0].Subject != "view order" || !all[0].Degraded {
		t.Fatalf("%+v, want that view order differs, degraded", all)
	}
	contains(t, all[0].Text, "o-17 differs in status", "found at 2026-11-26T08:00:00Z", "`rebuild order --key o-17`")
	if strings.Contains(all[0].Text, "Ann") {
		t.Errorf("%q holds a value of the row", all[0].Text)
	}
	d.exec(`update readside.verified set difference = null, found_at = null, problem = 'no upcaster for Ann'`)
	all = d.read().Troubles(scope)
	if len(all) != 1 || all[0].Cause != control.NotCompared || !all[0].Degraded || strings.Contains(all[0].Text, "Ann") {
		t.Errorf("%+v, want that view order cannot be compared", all)
	}
	d.exec(`update readside.verified set generation = 2`) // of a table that is not shown
	if all := d.read().Troubles(scope); len(all) != 0 {
		t.Errorf("of another generation: %+v", all)
	}
}

// A fact's row is told by its place; parked events and a difference are two troubles.
func TestTroublesOfFacts(t *testing.T) {
	t.Parallel()
	r := &Report{
		Projectors: []Projector{{Name: "cold", Kind: "cold", Progress: Progress{State: "live"}}},
		Cold: []ColdTable{{Fact: "lines", Projector: "cold", Parked: 2, Verified: &Verified{
			Difference: &watch.Difference{Fact: "lines", Kind: "twice", Partition: 202611, Place: 9, Row: 2}}}},
	}
	all := r.Troubles(Scope{Cold: "cold"})
	if len(all) != 2 || all[0].Cause != control.Parked || all[1].Cause != control.Differs || !all[0].Degraded || !all[1].Degraded {
		t.Fatalf("%+v", all)
	}
	contains(t, all[1].Text, "partition 202611, place 9, row 2: twice", "`rebuild facts`")
}
