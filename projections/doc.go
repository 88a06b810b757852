// Package projections says what a view is: plain values, no I/O.
//
// A view is a struct whose fields are the columns of a table, handlers that fold
// domain events into its rows, and joins that fill columns from other views. From
// that one definition come its table, its fold, its GraphQL type, its rebuild and
// its verification.
//
//	type Order struct {
//		ID        string `view:"id,key"`
//		BuyerID   string `view:"buyer_id,index"`
//		BuyerName string `view:"buyer_name,join"`
//	}
//
//	var Orders = projections.View[Order]{Name: "order", Version: 1,
//		Handlers: []projections.Handler[Order]{
//			projections.Create(func(e OrderSubmitted) string { return e.OrderID },
//				func(o *Order, e OrderSubmitted, m projections.Meta) error { o.BuyerID = e.BuyerID; return nil }),
//		},
//		Joins: []projections.Join[Order]{projections.Copy[Order](&Customers, "buyer_id", "buyer_name=name")},
//	}
//
//	set, err := projections.NewSet(&Orders, &Customers)
//
// A row is its own columns plus its joined columns. Handlers see and write own
// columns only; joined columns are computed anew from zero whenever the row or one
// of its sources changes, so the result never depends on which stream's event came
// first. Handlers are pure: no I/O, no clock, no randomness. What a handler keeps of an
// event is shared with other rows and views, so it is not changed in place: clone a
// slice or a map before changing it.
//
// # The life of a row
//
//	            Update                Create
//	absent ───────────────▶ unborn ───────────▶ live ◀──┐ Create, Update
//	   │                      │                  │  └───┘
//	   │ Create ──────────────┼─────────▶ live   │
//	   │ Delete               │ Delete           │ Delete
//	   └──────────▶ deleted ◀─┴──────────────────┘   (for ever: what comes later is ignored)
//
// Readers see live rows only. An unborn row keeps what arrived before its create; a
// deleted one is a tombstone, so that late updates do not bring it back. A key that
// comes to life again and again (a basket) is emptied by an Update, not deleted; or its
// view says Revive.
//
// With Revive a Create brings a deleted row back to life, with nothing of its former one.
// Updates between the two are still ignored: they belong to the life that has ended. So the
// order of Create and Delete matters, which are therefore told by one stream; and what other
// streams tell of a new life before its Create is lost, where a row's first life keeps it.
package projections
