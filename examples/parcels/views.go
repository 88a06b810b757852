package main

import (
	"slices"

	"github.com/readside/readside/projections"
)

// The states of orders and packages.
const (
	placed    = "placed"
	cancelled = "cancelled"
	opened    = "opened"
	sent      = "sent"
	delivered = "delivered"
)

// Package is a package with the number of its pieces.
type Package struct {
	ID      string `view:"id,key"`
	OrderID string `view:"order_id,index"`
	State   string `view:"state"`
	Carrier string `view:"carrier"`
	Pieces  int64  `view:"pieces"`
}

// packages are told of by their own streams and by those of items. Counting pieces in and out
// gives the same sum in whatever order the items' streams arrive.
var packages = projections.View[Package]{Name: "package", Version: 1, Doc: "A package of an order.",
	Handlers: []projections.Handler[Package]{
		projections.Create(func(e PackageOpened) string { return e.PackageID },
			func(p *Package, e PackageOpened, _ projections.Meta) error {
				p.OrderID, p.State = e.OrderID, opened
				return nil
			}),
		projections.Update(func(e PackageSent) string { return e.PackageID },
			func(p *Package, e PackageSent, _ projections.Meta) error {
				p.State, p.Carrier = sent, e.Carrier
				return nil
			}),
		projections.Update(func(e PackageDelivered) string { return e.PackageID },
			func(p *Package, _ PackageDelivered, _ projections.Meta) error { p.State = delivered; return nil }),
		projections.UpdateEach(func(e ItemPacked, _ projections.Meta) []string { return present(e.PackageID, e.From) },
			func(p *Package, key string, e ItemPacked, _ projections.Meta) error {
				if key == e.From {
					return projections.TakeFrom(&p.Pieces, e.Quantity)
				}
				return projections.AddTo(&p.Pieces, e.Quantity)
			}),
		projections.UpdateEach(func(e ItemRemoved, _ projections.Meta) []string { return present(e.From) },
			func(p *Package, _ string, e ItemRemoved, _ projections.Meta) error {
				return projections.TakeFrom(&p.Pieces, e.Quantity)
			}),
	},
}

// present are the keys that are set.
func present(keys ...string) []string {
	return slices.DeleteFunc(keys, func(key string) bool { return key == "" })
}

// Item is an item with what is known of its package.
type Item struct {
	ID        string `view:"id,key"`
	OrderID   string `view:"order_id,index"`
	SKU       string `view:"sku"`
	Quantity  int64  `view:"quantity"`
	PackageID string `view:"package_id,index"`
	State     string `view:"package_state,join"`
	Carrier   string `view:"carrier,join"`
}

var items = projections.View[Item]{Name: "item", Version: 1, Doc: "An item of an order, in its package.",
	Handlers: []projections.Handler[Item]{
		projections.Create(func(e ItemAdded) string { return e.ItemID },
			func(i *Item, e ItemAdded, _ projections.Meta) error {
				i.OrderID, i.SKU, i.Quantity = e.OrderID, e.SKU, e.Quantity
				return nil
			}),
		projections.Update(func(e ItemPacked) string { return e.ItemID },
			func(i *Item, e ItemPacked, _ projections.Meta) error { i.PackageID = e.PackageID; return nil }),
		projections.Delete[Item](func(e ItemRemoved) string { return e.ItemID }),
	},
	Joins: []projections.Join[Item]{projections.Copy[Item](&packages, "package_id", "package_state=state", "carrier")},
}

// Order is an order with its items, wherever each of them is.
type Order struct {
	ID        string   `view:"id,key"`
	Customer  string   `view:"customer,index"`
	State     string   `view:"state"`
	ItemIDs   []string `view:"item_ids,hidden"`
	Lines     []Line   `view:"lines,join"`
	Pieces    int64    `view:"pieces,join"`
	Delivered int64    `view:"delivered,join"`
}

// Line is an item as the order shows it.
type Line struct {
	ItemID    string `json:"itemId"`
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
	PackageID string `json:"packageId"`
	State     string `json:"state"`
	Carrier   string `json:"carrier"`
}

var orders = projections.View[Order]{Name: "order", Version: 1, Doc: "An order with its items and where they are.",
	Handlers: []projections.Handler[Order]{
		projections.Create(func(e OrderPlaced) string { return e.OrderID },
			func(o *Order, e OrderPlaced, _ projections.Meta) error {
				o.Customer = e.Customer
				if o.State == "" { // a cancellation may have come before
					o.State = placed
				}
				return nil
			}),
		projections.Update(func(e OrderCancelled) string { return e.OrderID },
			func(o *Order, _ OrderCancelled, _ projections.Meta) error { o.State = cancelled; return nil }),
		// Which items an order has is told by the items' streams. The list is kept sorted, so
		// that it is the same in whatever order those arrive.
		projections.Update(func(e ItemAdded) string { return e.OrderID },
			func(o *Order, e ItemAdded, _ projections.Meta) error {
				o.ItemIDs = with(o.ItemIDs, e.ItemID)
				return nil
			}),
		projections.Update(func(e ItemRemoved) string { return e.OrderID },
			func(o *Order, e ItemRemoved, _ projections.Meta) error {
				o.ItemIDs = without(o.ItemIDs, e.ItemID)
				return nil
			}),
	},
	Joins: []projections.Join[Order]{
		projections.JoinOn(&items, func(o *Order) []string { return o.ItemIDs }, fillOrder, "sku", "quantity", "package_id", "package_state", "carrier"),
	},
}

func fillOrder(o *Order, get func(string) *Item) {
	for _, id := range o.ItemIDs {
		i := get(id)
		if i == nil {
			continue
		}
		o.Lines = append(o.Lines, Line{id, i.SKU, i.Quantity, i.PackageID, i.State, i.Carrier})
		o.Pieces += i.Quantity
		if i.State == delivered {
			o.Delivered += i.Quantity
		}
	}
}

// with and without return new lists: what a row keeps is not changed in place.
func with(sorted []string, id string) []string {
	at, found := slices.BinarySearch(sorted, id)
	if found {
		return sorted
	}
	return slices.Insert(slices.Clone(sorted), at, id)
}

func without(sorted []string, id string) []string {
	at, found := slices.BinarySearch(sorted, id)
	if !found {
		return sorted
	}
	return slices.Delete(slices.Clone(sorted), at, at+1)
}
