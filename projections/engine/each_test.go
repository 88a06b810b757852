package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
)

// Events of a till, whose aggregate only the stream names.
type (
	tillOpened  struct{ Place string }
	tillPaid    struct{ Cents int64 }
	tillsLaid   struct{ Tills []string }
	tillsClosed struct{ Tills []string }
)

func (tillOpened) EventType() (string, int)  { return "test.TillOpened", 1 }
func (tillPaid) EventType() (string, int)    { return "test.TillPaid", 1 }
func (tillsLaid) EventType() (string, int)   { return "test.TillsLaid", 1 }
func (tillsClosed) EventType() (string, int) { return "test.TillsClosed", 1 }

// till is a row for each stream, month one for each month.
type till struct {
	ID    string `view:"id,key"`
	Place string `view:"place"`
	Cents int64  `view:"cents"`
}

type month struct {
	ID    string `view:"id,key"`
	Cents int64  `view:"cents"`
}

func tillSet(t testing.TB, more ...projections.Definition) *projections.Set {
	t.Helper()
	monthOf := func(_ tillPaid, m projections.Meta) []string { return []string{m.Time.Format("2006-01")} }
	tills := projections.View[till]{Name: "till", Version: 1, Handlers: []projections.Handler[till]{
		projections.CreateEach(projections.ByStream, func(r *till, _ string, e tillOpened, _ projections.Meta) error { r.Place = e.Place; return nil }),
		projections.CreateEach(func(e tillsLaid, _ projections.Meta) []string { return e.Tills },
			func(r *till, key string, _ tillsLaid, _ projections.Meta) error { r.Place = "for " + key; return nil }),
		projections.UpdateEach(projections.ByStream, func(r *till, _ string, e tillPaid, _ projections.Meta) error {
			return projections.AddTo(&r.Cents, e.Cents)
		}),
		projections.DeleteEach[till](func(e tillsClosed, _ projections.Meta) []string { return e.Tills }),
	}}
	months := projections.View[month]{Name: "month", Version: 1, Handlers: []projections.Handler[month]{
		projections.CreateEach(monthOf, func(r *month, _ string, e tillPaid, _ projections.Meta) error {
			return projections.AddTo(&r.Cents, e.Cents)
		}),
	}}
	set, err := projections.NewSet(append(more, &tills, &months)...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Rows of events without ids are their stream's, and those of a month are found by the event's
// time.
func TestRowsPerStreamAndPerMonth(t *testing.T) {
	t.Parallel()
	at := func(stream string, month int, e projectiontest.At) projectiontest.At {
		e.Stream, e.Time = stream, projectiontest.Start.AddDate(0, month, 0)
		return e
	}
	rows := projectiontest.Fold(t, tillSet(t),
		at("till-1", 0, projectiontest.At{Event: tillOpened{"gate"}}),
		at("till-1", 0, projectiontest.At{Event: tillPaid{500}}),
		at("till-2", 1, projectiontest.At{Event: tillPaid{30}}), // before it is opened
		at("till-2", 1, projectiontest.At{Event: tillOpened{"yard"}}),
		at("till-1", 1, projectiontest.At{Event: tillPaid{7}}),
	)
	for key, want := range map[string]till{"till-1": {"till-1", "gate", 507}, "till-2": {"till-2", "yard", 30}} {
		if got := projectiontest.Row[till](t, rows, "till", key); *got != want {
			t.Errorf("got %+v, want %+v", *got, want)
		}
	}
	for key, want := range map[string]int64{"2026-01": 500, "2026-02": 37} {
		if got := projectiontest.Row[month](t, rows, "month", key); got.Cents != want {
			t.Errorf("month %s has %d, want %d", key, got.Cents, want)
		}
	}
}

// One event creates, changes and ends several rows, on a real store, in batches of every size;
// a verification finds what was folded.
func TestOneEventCreatesAndEndsSeveralRows(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 3, 100} {
		f := newFixture(t)
		set := tillSet(t)
		f.append(streamed{"till-a", tillPaid{5}}) // unborn until it is laid
		f.append(streamed{"plan", tillsLaid{[]string{"till-a", "till-b", "till-a", "till-c"}}})
		f.append(streamed{"till-b", tillPaid{70}})
		end := f.append(streamed{"plan", tillsClosed{[]string{"till-c", "till-d"}}})
		f.catchUp(set, batch, end)
		rows, err := f.db.Pool.Query(context.Background(), `select id || ' ' || place || ' ' || cents from views.till_v1_g1 where _state = 2 order by id`)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			got = append(got, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if want := []string{"till-a for till-a 5", "till-b for till-b 70"}; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("in batches of %d: got %q, want %q", batch, got, want)
		}
		f.mustVerify(set)
	}
}

// An event that a strict set refuses is parked with the member that does not fit, and retried
// once the set takes it.
func TestAStrictSetParksWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	strict := tillSet(t, projections.Strict())
	f.append(streamed{"till-1", tillOpened{"gate"}})
	at := f.append(streamed{"till-1", tillPaidBy{"ada", 5}})
	f.catchUp(strict, 10, at)
	parked, err := f.projector(strict, 10, nil).Parked(t.Context(), "till")
	if err != nil {
		t.Fatal(err)
	}
	if len(parked) != 1 || !strings.Contains(parked[0].Error, `the member "By" is unknown to the type`) || parked[0].Type != "test.TillPaid" {
		t.Errorf("parked is %+v", parked)
	}
	lenient := tillSet(t)
	f.catchUp(lenient, 10, at)
	if cents := f.int(`select cents from views.till_v1_g2 where id = 'till-1'`); cents != 5 {
		t.Errorf("a set that is not strict has %d cents, want 5", cents)
	}
}

// tillPaidBy is what another program publishes under the name of tillPaid.
type tillPaidBy struct {
	By    string
	Cents int64
}

func (tillPaidBy) EventType() (string, int) { return tillPaid{}.EventType() }
