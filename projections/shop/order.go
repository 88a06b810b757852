package shop

import (
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// The states of an order.
const (
	Submitted          = "submitted"
	AwaitingValidation = "awaiting_validation"
	StockConfirmed     = "stock_confirmed"
	StockRejected      = "stock_rejected"
	Paid               = "paid"
	Shipped            = "shipped"
	Cancelled          = "cancelled"
)

// Order is the order screen: the order with its lines, names and timeline.
type Order struct {
	ID            string           `view:"id,key"`
	BuyerID       string           `view:"buyer_id,index"`
	BuyerName     string           `view:"buyer_name,join"`
	Status        string           `view:"status"`
	Items         []OrderItem      `view:"items,hidden"`
	Lines         []OrderLine      `view:"lines,join"`
	TotalMinor    int64            `view:"total_minor"`
	Currency      string           `view:"currency"`
	ShipTo        contract.Address `view:"ship_to"`
	Timeline      []Milestone      `view:"timeline"`
	Missing       []MissingProduct `view:"missing"`
	CancelReason  string           `view:"cancel_reason"`
	PaymentID     string           `view:"payment_id"`
	PaymentMethod string           `view:"payment_method"`
	PaymentError  string           `view:"payment_error"`
	Carrier       string           `view:"carrier"`
	Tracking      string           `view:"tracking_number"`
	SubmittedAt   time.Time        `view:"submitted_at,order"`
}

// OrderItem is a line as it was ordered.
type OrderItem struct {
	ProductID      string `json:"productId"`
	Quantity       int    `json:"quantity"`
	UnitPriceMinor int64  `json:"unitPriceMinor"`
}

// OrderLine is a line as the screen shows it: with the name that the product has
// now, at the price that it had then.
type OrderLine struct {
	ProductID      string `json:"productId"`
	ProductName    string `json:"productName"`
	Quantity       int    `json:"quantity"`
	UnitPriceMinor int64  `json:"unitPriceMinor"`
}

// MissingProduct is why an order's stock was rejected.
type MissingProduct struct {
	ProductID string `json:"productId"`
	Requested int    `json:"requested"`
	Available int    `json:"available"`
}

// Milestone is when an order came into a state.
type Milestone struct {
	Status string    `json:"status"`
	At     time.Time `json:"at"`
}

// Orders follows ordering's events, payment's for how it was paid, and the names
// of the buyer and the products through joins.
var Orders = projections.View[Order]{
	Name: "order", Version: 1,
	Doc: "The order screen: an order with its lines, names and timeline.",
	Handlers: []projections.Handler[Order]{
		projections.Create(
			func(e contract.OrderSubmitted) string { return e.OrderID },
			func(o *Order, e contract.OrderSubmitted, m projections.Meta) error {
				o.BuyerID, o.ShipTo, o.SubmittedAt = e.BuyerID, e.ShipTo, m.Time
				o.TotalMinor, o.Currency = e.Total.Amount, e.Total.Currency
				for _, l := range e.Lines {
					o.Items = append(o.Items, OrderItem{l.ProductID, l.Quantity, l.UnitPrice.Amount})
				}
				o.reach(Submitted, m)
				return nil
			}),
		projections.Update(
			func(e contract.OrderAwaitingValidation) string { return e.OrderID },
			func(o *Order, _ contract.OrderAwaitingValidation, m projections.Meta) error {
				o.reach(AwaitingValidation, m)
				return nil
			}),
		projections.Update(
			func(e contract.OrderStockConfirmed) string { return e.OrderID },
			func(o *Order, _ contract.OrderStockConfirmed, m projections.Meta) error {
				o.reach(StockConfirmed, m)
				return nil
			}),
		projections.Update(
			func(e contract.OrderStockRejected) string { return e.OrderID },
			func(o *Order, e contract.OrderStockRejected, m projections.Meta) error {
				for _, l := range e.Missing {
					o.Missing = append(o.Missing, MissingProduct(l))
				}
				o.reach(StockRejected, m)
				return nil
			}),
		projections.Update(
			func(e contract.OrderPaid) string { return e.OrderID },
			func(o *Order, _ contract.OrderPaid, m projections.Meta) error {
				o.reach(Paid, m)
				return nil
			}),
		projections.Update(
			func(e contract.OrderShipped) string { return e.OrderID },
			func(o *Order, e contract.OrderShipped, m projections.Meta) error {
				o.Carrier, o.Tracking = e.Carrier, e.TrackingNumber
				o.reach(Shipped, m)
				return nil
			}),
		projections.Update(
			func(e contract.OrderCancelled) string { return e.OrderID },
			func(o *Order, e contract.OrderCancelled, m projections.Meta) error {
				o.CancelReason = e.Reason
				o.reach(Cancelled, m)
				return nil
			}),
		projections.Update(
			func(e contract.PaymentSucceeded) string { return e.OrderID },
			func(o *Order, e contract.PaymentSucceeded, _ projections.Meta) error {
				o.PaymentID, o.PaymentMethod = e.PaymentID, e.Method
				return nil
			}),
		projections.Update(
			func(e contract.PaymentFailed) string { return e.OrderID },
			func(o *Order, e contract.PaymentFailed, _ projections.Meta) error {
				o.PaymentID, o.PaymentMethod, o.PaymentError = e.PaymentID, e.Method, e.Reason
				return nil
			}),
	},
	Joins: []projections.Join[Order]{
		projections.Copy[Order](&Customers, "buyer_id", "buyer_name=name"),
		projections.JoinOn(&Products, (*Order).products, (*Order).name, "name"),
	},
}

// reach notes that the order came into a state. All states come from the order's own
// stream, so the last one is the latest.
func (o *Order) reach(status string, m projections.Meta) {
	o.Status = status
	o.Timeline = append(o.Timeline, Milestone{status, m.Time})
}

func (o *Order) products() []string {
	ids := make([]string, len(o.Items))
	for i, item := range o.Items {
		ids[i] = item.ProductID
	}
	return ids
}

func (o *Order) name(product func(id string) *Product) {
	o.Lines = make([]OrderLine, len(o.Items))
	for i, item := range o.Items {
		o.Lines[i] = OrderLine{ProductID: item.ProductID, Quantity: item.Quantity, UnitPriceMinor: item.UnitPriceMinor}
		if p := product(item.ProductID); p != nil {
			o.Lines[i].ProductName = p.Name
		}
	}
}
