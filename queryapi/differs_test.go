package queryapi_test

import (
	"testing"

	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/queryapi"
)

// A row that continuous verification found to be wrong is told by the freshness of every
// answer of its view, and readiness is degraded by it; the other views are not.
func TestAViewThatDiffersSaysSo(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	look := func(book, author bool, troubles int) {
		t.Helper()
		data := ask(t, a, `{ books { freshness { differs } } authors { freshness { differs } } }`)
		for view, want := range map[string]bool{"books": book, "authors": author} {
			if got := data[view].(map[string]any)["freshness"].(map[string]any)["differs"]; got != want {
				t.Errorf("%s: differs is %v, want %v", view, got, want)
			}
		}
		found := a.Troubles(t.Context())
		if len(found) != troubles || troubles > 0 && (found[0].Cause != control.Differs || !found[0].Degraded) {
			t.Errorf("troubles are %+v", found)
		}
		if reasons := a.Ready(t.Context()); len(reasons) > 0 {
			t.Errorf("not ready: %v", reasons)
		}
	}
	look(false, false, 0)
	s.exec(`insert into readside.verified (projector, kind, name, version, generation) values ($1, 'view', 'author', 1, 1)`, testProjector)
	s.exec(`insert into readside.verified (projector, kind, name, version, generation, difference, found_at) values ($1, 'view', 'book', 2, 1, '{}', now())`, testProjector)
	look(true, false, 1)
	s.exec(`update readside.verified set generation = 2 where name = 'book'`) // it is not shown
	look(false, false, 0)
}

// So does a fact's watermark.
func TestAFactThatDiffersSaysSo(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.exec(`insert into readside.cold_checkpoint (name, log, incarnation, place, state, fingerprint, generation, shown_generation) values ('cold', $1, 7, 0, 'live', '', 3, 3)`, s.log)
	s.exec(`insert into readside.cold_watermarks (table_name, projector, generation, fact, place) select 'sales_g' || g, 'cold', g, 'sales', 0 from generate_series(3, 4) g`)
	ledger := queryapi.NewLedger(s.query)
	differs := func(want bool) {
		t.Helper()
		marks, err := ledger.Watermarks(t.Context(), []string{"sales"})
		if err != nil || len(marks) != 1 || marks[0].Differs != want {
			t.Fatalf("%+v, %v, want differs to be %v", marks, err, want)
		}
	}
	differs(false)
	s.exec(`insert into readside.verified (projector, kind, name, version, generation, difference, found_at) values ('cold', 'fact', 'sales', 1, 4, '{}', now())`)
	differs(false)
	s.exec(`update readside.verified set generation = 3`)
	differs(true)
}
