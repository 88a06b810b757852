package basket

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

func euros(cents int64) contract.Money { return contract.Money{Amount: cents, Currency: "EUR"} }

// shelf is what the service knows of the catalog.
func shelf() map[string]Product {
	products := map[string]Product{
		"a":    {ID: "a", Name: "A", Category: "books", Price: euros(100)},
		"b":    {ID: "b", Name: "B", Category: "toys", Price: euros(250)},
		"gone": {ID: "gone", Price: euros(1), Discontinued: true},
		"pln":  {ID: "pln", Price: contract.Money{Amount: 1, Currency: "PLN"}},
	}
	for i := range linesMax + 1 {
		id := fmt.Sprintf("many-%d", i)
		products[id] = Product{ID: id, Price: euros(1)}
	}
	return products
}

// holding is a basket with pieces of a and b, a added at 90.
func holding() Basket {
	return Basket{}.Evolve(
		contract.BasketItemAdded{BuyerID: "ada", ProductID: "a", Quantity: 2, UnitPrice: euros(90)},
		contract.BasketItemAdded{BuyerID: "ada", ProductID: "b", Quantity: 1, UnitPrice: euros(250)},
	)
}

func many(n int) (items []Item) {
	for i := range n {
		items = append(items, Item{fmt.Sprintf("many-%d", i), 1})
	}
	return items
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	add := func(b Basket, items ...Item) error { _, err := b.Add("ada", items, shelf()); return err }
	checkOut := func(b Basket, shelf map[string]Product) error {
		_, err := b.CheckOut("ada", "o", contract.Address{}, contract.PaymentMethod{}, shelf)
		return err
	}
	_, setAbsent := holding().SetQuantity("ada", "x", 1)
	_, removeAbsent := holding().Remove("ada", "x")
	discontinued := shelf()
	discontinued["b"] = Product{ID: "b", Price: euros(250), Discontinued: true}
	for name, tc := range map[string]struct {
		err  error
		code string
	}{
		"unknown product":        {add(Basket{}, Item{"x", 1}), "unknown-product"},
		"discontinued":           {add(Basket{}, Item{"gone", 1}), "discontinued"},
		"one of two unknown":     {add(Basket{}, Item{"a", 1}, Item{"x", 1}), "unknown-product"},
		"mixed currencies":       {add(holding(), Item{"pln", 1}), "mixed-currencies"},
		"mixed in one command":   {add(Basket{}, Item{"a", 1}, Item{"pln", 1}), "mixed-currencies"},
		"too many pieces":        {add(holding(), Item{"a", quantityMax - 1}), "too-many-pieces"},
		"as many as allowed":     {add(holding(), Item{"a", quantityMax - 2}), ""},
		"too many products":      {add(Basket{}, many(linesMax+1)...), "too-many-products"},
		"many products":          {add(Basket{}, many(linesMax)...), ""},
		"quantity of the absent": {setAbsent, "not-found"},
		"removing the absent":    {removeAbsent, "not-found"},
		"empty checkout":         {checkOut(Basket{}, shelf()), "empty-basket"},
		"discontinued meanwhile": {checkOut(holding(), discontinued), "discontinued"},
	} {
		var refusal *command.Refusal
		code := ""
		if errors.As(tc.err, &refusal) {
			code = refusal.Code
		}
		if code != tc.code {
			t.Errorf("%s: %v, want %q", name, tc.err, tc.code)
		}
	}
}

func TestAddingOnTop(t *testing.T) {
	t.Parallel()
	events, err := holding().Add("ada", []Item{{"a", 3}, {"a", 1}}, shelf())
	if err != nil {
		t.Fatal(err)
	}
	after := holding().Evolve(events...)
	want := []Line{{ProductID: "a", Quantity: 6, AddedPrice: euros(100)}, {ProductID: "b", Quantity: 1, AddedPrice: euros(250)}}
	if diff := cmp.Diff(want, after.Lines); diff != "" || after.Version != 4 {
		t.Errorf("version %d: %s", after.Version, diff)
	}
}

func TestCheckoutTakesPresentPricesAndEmpties(t *testing.T) {
	t.Parallel()
	to, by := contract.Address{City: "London"}, contract.PaymentMethod{Kind: "invoice"}
	events, err := holding().CheckOut("ada", "o", to, by, shelf())
	if err != nil {
		t.Fatal(err)
	}
	want := []contract.Event{contract.BasketCheckedOut{BuyerID: "ada", OrderID: "o", ShipTo: to, Payment: by, Lines: []contract.OrderLine{
		{ProductID: "a", Category: "books", Quantity: 2, UnitPrice: euros(100)},
		{ProductID: "b", Category: "toys", Quantity: 1, UnitPrice: euros(250)},
	}}}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
	if after := holding().Evolve(events...); len(after.Lines) != 0 || after.Version != 3 {
		t.Errorf("after the checkout: %+v", after)
	}
}

func TestQuantityAndRemoval(t *testing.T) {
	t.Parallel()
	set, err := holding().SetQuantity("ada", "a", 7)
	if err != nil {
		t.Fatal(err)
	}
	removed, err := holding().Remove("ada", "b")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Line{{ProductID: "a", Quantity: 7, AddedPrice: euros(90)}}, holding().Evolve(append(set, removed...)...).Lines); diff != "" {
		t.Error(diff)
	}
	if same, err := holding().SetQuantity("ada", "a", 2); len(same) > 0 || err != nil {
		t.Errorf("the quantity that it has: %v, %v", same, err)
	}
}

// Deciding and evolving leave the basket before as it was: a command may be decided again.
func TestEvolveDoesNotTouchTheBasketBefore(t *testing.T) {
	t.Parallel()
	before := holding()
	before.Evolve(
		contract.BasketQuantityChanged{ProductID: "a", Quantity: 99},
		contract.BasketItemRemoved{ProductID: "a"},
	)
	if diff := cmp.Diff(holding(), before); diff != "" {
		t.Error(diff)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	line := Line{ProductID: "a", AddedPrice: euros(90)}
	for _, tc := range []struct {
		product Product
		want    string
	}{
		{Product{Price: euros(90)}, ""},
		{Product{Price: euros(100)}, "the price changed since it was added: it was 0.90 EUR"},
		{Product{Price: euros(90), Discontinued: true}, "this product was discontinued since it was added"},
	} {
		if got := warning(line, tc.product); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
