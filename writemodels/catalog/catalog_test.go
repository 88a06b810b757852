package catalog

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

func euros(cents int64) contract.Money { return contract.Money{Amount: cents, Currency: "EUR"} }

func lamp() Product {
	return Product{}.Evolve(contract.ProductAdded{ProductID: "lamp", Name: "Lamp", Brand: "B", Category: "home", Price: euros(100), Stock: 5})
}

func gone() Product { return lamp().Evolve(contract.ProductDiscontinued{ProductID: "lamp"}) }

// code is the refusal's code, or "" for none.
func code(t *testing.T, err error) string {
	t.Helper()
	var refusal *command.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if refusal == nil {
		return ""
	}
	return refusal.Code
}

func TestProductDecisions(t *testing.T) {
	t.Parallel()
	added := contract.ProductAdded{ProductID: "lamp", Name: "L", Price: euros(1)}
	for name, tc := range map[string]struct {
		decide func() ([]contract.Event, error)
		want   contract.Event
		code   string
	}{
		"add":                 {func() ([]contract.Event, error) { return Product{}.Add(added) }, added, ""},
		"add again":           {func() ([]contract.Event, error) { return lamp().Add(added) }, nil, "already-exists"},
		"rename":              {func() ([]contract.Event, error) { return lamp().Rename("lamp", "New") }, contract.ProductRenamed{ProductID: "lamp", Name: "New"}, ""},
		"same name":           {func() ([]contract.Event, error) { return lamp().Rename("lamp", "Lamp") }, nil, ""},
		"rename nothing":      {func() ([]contract.Event, error) { return Product{}.Rename("x", "New") }, nil, "not-found"},
		"rename discontinued": {func() ([]contract.Event, error) { return gone().Rename("lamp", "New") }, nil, "discontinued"},
		"reprice":             {func() ([]contract.Event, error) { return lamp().Reprice("lamp", euros(120)) }, contract.ProductPriceChanged{ProductID: "lamp", Old: euros(100), New: euros(120)}, ""},
		"same price":          {func() ([]contract.Event, error) { return lamp().Reprice("lamp", euros(100)) }, nil, ""},
		"another currency": {func() ([]contract.Event, error) {
			return lamp().Reprice("lamp", contract.Money{Amount: 1, Currency: "PLN"})
		}, nil, "other-currency"},
		"replenish":             {func() ([]contract.Event, error) { return lamp().Replenish("lamp", 7) }, contract.ProductReplenished{ProductID: "lamp", Quantity: 7}, ""},
		"replenish too much":    {func() ([]contract.Event, error) { return lamp().Replenish("lamp", stockMax) }, nil, "stock-full"},
		"replenish a gone one":  {func() ([]contract.Event, error) { return gone().Replenish("lamp", 1) }, nil, "discontinued"},
		"discontinue":           {func() ([]contract.Event, error) { return lamp().Discontinue("lamp") }, contract.ProductDiscontinued{ProductID: "lamp"}, ""},
		"discontinue again":     {func() ([]contract.Event, error) { return gone().Discontinue("lamp") }, nil, ""},
		"discontinue not there": {func() ([]contract.Event, error) { return Product{}.Discontinue("x") }, nil, "not-found"},
	} {
		events, err := tc.decide()
		if got := code(t, err); got != tc.code {
			t.Errorf("%s: refused with %q, want %q", name, got, tc.code)
		}
		var want []contract.Event
		if tc.want != nil {
			want = []contract.Event{tc.want}
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestReplenishedStock(t *testing.T) {
	t.Parallel()
	if p := lamp().Evolve(contract.ProductReplenished{ProductID: "lamp", Quantity: 7}); p.Stock != 12 || p.Version != 2 {
		t.Errorf("%+v", p)
	}
}

func TestTakingTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	lines := []contract.StockLine{{ProductID: "a", Quantity: 2}, {ProductID: "b", Quantity: 1}, {ProductID: "a", Quantity: 1}}
	merged := []contract.StockLine{{ProductID: "a", Quantity: 3}, {ProductID: "b", Quantity: 1}}
	for name, tc := range map[string]struct {
		available map[string]int
		want      contract.Event
	}{
		"enough":       {map[string]int{"a": 3, "b": 1}, contract.StockConfirmed{OrderID: "o", Lines: merged}},
		"one too few":  {map[string]int{"a": 2, "b": 1}, contract.StockRejected{OrderID: "o", Missing: []contract.MissingLine{{ProductID: "a", Requested: 3, Available: 2}}}},
		"unknown too":  {map[string]int{"a": 3}, contract.StockRejected{OrderID: "o", Missing: []contract.MissingLine{{ProductID: "b", Requested: 1}}}},
		"nothing left": {nil, contract.StockRejected{OrderID: "o", Missing: []contract.MissingLine{{ProductID: "a", Requested: 3}, {ProductID: "b", Requested: 1}}}},
	} {
		if diff := cmp.Diff([]contract.Event{tc.want}, Taking{}.Ask("o", lines, tc.available)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// In whatever order question and cancellation come, and however often, the pieces are
// where they belong at the end.
func TestTakingWhateverTheOrder(t *testing.T) {
	t.Parallel()
	lines := []contract.StockLine{{ProductID: "a", Quantity: 2}}
	for name, tc := range map[string]struct {
		steps string // a: ask, c: cancel
		stock int
		state takingState
	}{
		"asked":                  {"a", 3, taken},
		"asked twice":            {"aa", 3, taken},
		"asked and cancelled":    {"ac", 5, released},
		"cancelled twice":        {"acc", 5, released},
		"asked again afterwards": {"aca", 5, released},
		"cancelled first":        {"ca", 5, barred},
		"cancelled, asked twice": {"caac", 5, barred},
	} {
		stock, taking := 5, Taking{}
		for _, step := range tc.steps {
			var events []contract.Event
			if step == 'a' {
				events = taking.Ask("o", lines, map[string]int{"a": stock})
				taking = taking.Evolve(events...)
			} else {
				events = taking.Cancel("o")
				taking = taking.Evolve(events...).Bar("o")
			}
			stock += change(events)["a"]
		}
		if stock != tc.stock || taking.State != tc.state {
			t.Errorf("%s: %d pieces, %q; want %d, %q", name, stock, taking.State, tc.stock, tc.state)
		}
	}
}

// Quantities that no number can hold together are more than any stock: none is taken. A
// sum that wraps would be below zero, and every stock has that.
func TestTakingDoesNotWrap(t *testing.T) {
	t.Parallel()
	lines := []contract.StockLine{{ProductID: "p", Quantity: math.MaxInt}, {ProductID: "p", Quantity: 2}}
	events := Taking{}.Ask("o", lines, map[string]int{"p": 5})
	if len(events) != 1 {
		t.Fatalf("%v", events)
	}
	if _, rejected := events[0].(contract.StockRejected); !rejected {
		t.Errorf("%v", events)
	}
}
