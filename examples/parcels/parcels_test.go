package main

import (
	"slices"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/projectiontest"
	"github.com/readside/readside/readsidetest"
)

func TestMain(m *testing.M) { readsidetest.Main(m) }

// story is an order of two items: one is packed twice, the other is removed from its package.
var story = []eventlog.Typed{
	projectiontest.At{Stream: "order-1", Event: OrderPlaced{"1", "ada"}},
	projectiontest.At{Stream: "item-a", Event: ItemAdded{"a", "1", "tea", 3}},
	projectiontest.At{Stream: "item-b", Event: ItemAdded{"b", "1", "cup", 2}},
	projectiontest.At{Stream: "package-p", Event: PackageOpened{"p", "1"}},
	projectiontest.At{Stream: "package-q", Event: PackageOpened{"q", "1"}},
	projectiontest.At{Stream: "item-a", Event: ItemPacked{"a", "1", "p", "", 3}},
	projectiontest.At{Stream: "item-b", Event: ItemPacked{"b", "1", "q", "", 2}},
	projectiontest.At{Stream: "item-a", Event: ItemPacked{"a", "1", "q", "p", 3}},
	projectiontest.At{Stream: "package-q", Event: PackageSent{"q", "post"}},
	projectiontest.At{Stream: "item-b", Event: ItemRemoved{"b", "1", "q", 2}},
	projectiontest.At{Stream: "package-q", Event: PackageDelivered{"q"}},
}

func TestAnOrderShowsItsItemsInTheirPackages(t *testing.T) {
	set, err := app.Set()
	if err != nil {
		t.Fatal(err)
	}
	rows := projectiontest.Fold(t, set, story...)
	order := projectiontest.Row[Order](t, rows, "order", "1")
	if want := []Line{{"a", "tea", 3, "q", delivered, "post"}}; !slices.Equal(order.Lines, want) || order.Pieces != 3 || order.Delivered != 3 {
		t.Errorf("the order is %+v, want the lines %+v", *order, want)
	}
	for key, want := range map[string]Package{
		"p": {ID: "p", OrderID: "1", State: opened},
		"q": {ID: "q", OrderID: "1", State: delivered, Carrier: "post", Pieces: 3},
	} {
		if got := projectiontest.Row[Package](t, rows, "package", key); *got != want {
			t.Errorf("got %+v, want %+v", *got, want)
		}
	}
	projectiontest.Twice(t, set, story...)
	projectiontest.Interleavings(t, set, story...)
}

func TestWhereAnOrderIs(t *testing.T) {
	program := readsidetest.Start(t, app)
	program.Append(story...)
	got := program.Query(`{ tracking(orderId: "1") { order { customer delivered lines { sku carrier state } } packages { nodes { id pieces } } } }`, nil)
	want := `{"tracking":{"order":{"customer":"ada","delivered":3,"lines":[{"carrier":"post","sku":"tea","state":"delivered"}]},` +
		`"packages":{"nodes":[{"id":"p","pieces":0},{"id":"q","pieces":3}]}}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	program.Run("verify")
}
