package projectiontest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
)

// pricing is a row of a fact of prices.
type pricing struct {
	At       time.Time `fact:"at,time"`
	ID       string    `fact:"id,order"`
	Currency string    `fact:"currency"`
}

func pricingSet(t *testing.T) (*projections.Set, *eventlog.Upcasters) {
	t.Helper()
	upcasters, err := eventlog.NewUpcasters(eventlog.Upcast(func(e priceSetV1) priceSet { return priceSet{e.ID, e.Cents, "EUR"} }))
	if err != nil {
		t.Fatal(err)
	}
	prices := projections.Fact[pricing]{Name: "pricing", Version: 1, Handlers: []projections.FactHandler[pricing]{
		projections.Append(func(e priceSet, m projections.Meta) ([]pricing, error) {
			switch {
			case e.Cents < 0:
				return nil, errors.New("a price below zero")
			case e.Cents == 0:
				panic("a price of zero")
			case e.Cents == 1:
				return nil, nil
			}
			return []pricing{{m.Time, e.ID, e.Currency}, {m.Time, e.ID, "all"}}, nil
		}),
	}}
	set, err := projections.NewSet(projections.Upcasters(upcasters), &prices)
	if err != nil {
		t.Fatal(err)
	}
	return set, upcasters
}

// An event makes any number of rows; old versions are lifted, and what no fact handles is
// passed over.
func TestFactsOfAStory(t *testing.T) {
	t.Parallel()
	set, upcasters := pricingSet(t)
	rows := projectiontest.Facts[pricing](t, set, "pricing", priceSetV1{"p1", 5}, MemberJoined{"ada", "Ada"}, priceSet{"p2", 1, "CHF"}, priceSet{"p3", 7, "CHF"})
	first, third := projectiontest.Start.Add(time.Minute), projectiontest.Start.Add(4*time.Minute)
	want := []pricing{{first, "p1", "EUR"}, {first, "p1", "all"}, {third, "p3", "CHF"}, {third, "p3", "all"}}
	if len(rows) != len(want) {
		t.Fatalf("got %+v, want %+v", rows, want)
	}
	for i := range want {
		if rows[i] != want[i] {
			t.Errorf("row %d is %+v, want %+v", i, rows[i], want[i])
		}
	}
	if e := projectiontest.Upcast[priceSet](t, upcasters, 2, `{"ID":"p1","Cents":5}`); e != (priceSet{"p1", 5, "EUR"}) {
		t.Errorf("lifted it is %+v", e)
	}
}

// Faults fail the test with what a reader needs.
func TestFaultsOfFactsAreTold(t *testing.T) {
	t.Parallel()
	set, upcasters := pricingSet(t)
	says(t, failing(func(t testing.TB) { projectiontest.Facts[pricing](t, set, "prices") }), `no fact "prices": it has ["pricing"]`)
	says(t, failing(func(t testing.TB) { projectiontest.Facts[pricing](t, set, "pricing", priceSet{"p", -1, "EUR"}) }),
		"fact pricing, event kit.PriceSet at place 1: a price below zero")
	says(t, failing(func(t testing.TB) { projectiontest.Facts[pricing](t, set, "pricing", priceSet{"p", 0, "EUR"}) }), "panic: a price of zero")
	says(t, failing(func(t testing.TB) { projectiontest.Facts[price](t, set, "pricing", priceSet{"p", 9, "EUR"}) }), "its rows are *projectiontest_test.pricing")
	says(t, failing(func(t testing.TB) { projectiontest.Upcast[priceSet](t, upcasters, 1, `{}`) }), "version 1")
}
