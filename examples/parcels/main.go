// Command parcels is a program of its own domain, with many-valued relations across streams:
// an order has items, items are packed into packages and packed again into others, and a
// package carries items of one order. Orders, items and packages are streams of their own,
// and the order's view shows all of them. `parcels up` runs everything.
package main

import (
	"github.com/readside/readside"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/stores/embedded"
)

var app = readside.App{
	Name:    "parcels",
	Set:     func() (*projections.Set, error) { return projections.NewSet(&packages, &items, &orders) },
	Screens: []queryapi.Screen{tracking},
	Stores:  embedded.Stores(),
}

// tracking is what a customer sees who asks where an order is.
var tracking = queryapi.Screen{
	Name: "tracking", Doc: "An order with its packages.",
	Args: []queryapi.Arg{{Name: "orderId", Kind: projections.Text, Doc: "The order."}},
	Parts: []queryapi.Part{
		{Name: "order", View: "order", Key: "orderId", Doc: "The order with its items, wherever each is."},
		{Name: "packages", View: "package", Doc: "Its packages.", List: &queryapi.List{
			Where: []queryapi.Where{{Column: "order_id", Arg: "orderId"}}, First: 20}},
	},
}

func main() { readside.Main(app) }
