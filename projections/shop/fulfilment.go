package shop

import (
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// Fulfilment is an open order, for the people who ship. Orders that were shipped
// or cancelled are gone from it.
type Fulfilment struct {
	OrderID     string    `view:"order_id,key"`
	Status      string    `view:"status,index"`
	BuyerID     string    `view:"buyer_id,index"`
	BuyerName   string    `view:"buyer_name,join"`
	City        string    `view:"city"`
	Country     string    `view:"country,index"`
	Pieces      int       `view:"pieces"`
	SubmittedAt time.Time `view:"submitted_at,order"`
}

// Fulfilments follows ordering's events.
var Fulfilments = projections.View[Fulfilment]{
	Name: "fulfilment", Version: 1,
	Doc: "Open orders by status, for the people who ship.",
	Handlers: []projections.Handler[Fulfilment]{
		projections.Create(
			func(e contract.OrderSubmitted) string { return e.OrderID },
			func(f *Fulfilment, e contract.OrderSubmitted, m projections.Meta) error {
				f.Status, f.BuyerID, f.SubmittedAt = Submitted, e.BuyerID, m.Time
				f.City, f.Country = e.ShipTo.City, e.ShipTo.Country
				for _, l := range e.Lines {
					f.Pieces += l.Quantity
				}
				return nil
			}),
		projections.Update(
			func(e contract.OrderAwaitingValidation) string { return e.OrderID },
			func(f *Fulfilment, _ contract.OrderAwaitingValidation, _ projections.Meta) error {
				f.Status = AwaitingValidation
				return nil
			}),
		projections.Update(
			func(e contract.OrderStockConfirmed) string { return e.OrderID },
			func(f *Fulfilment, _ contract.OrderStockConfirmed, _ projections.Meta) error {
				f.Status = StockConfirmed
				return nil
			}),
		projections.Update(
			func(e contract.OrderStockRejected) string { return e.OrderID },
			func(f *Fulfilment, _ contract.OrderStockRejected, _ projections.Meta) error {
				f.Status = StockRejected
				return nil
			}),
		projections.Update(
			func(e contract.OrderPaid) string { return e.OrderID },
			func(f *Fulfilment, _ contract.OrderPaid, _ projections.Meta) error {
				f.Status = Paid
				return nil
			}),
		projections.Delete[Fulfilment](func(e contract.OrderShipped) string { return e.OrderID }),
		projections.Delete[Fulfilment](func(e contract.OrderCancelled) string { return e.OrderID }),
	},
	Joins: []projections.Join[Fulfilment]{
		projections.Copy[Fulfilment](&Customers, "buyer_id", "buyer_name=name"),
	},
}
