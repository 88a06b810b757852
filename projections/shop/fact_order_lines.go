package shop

import (
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// The steps of an order that sales are counted at.
const (
	StepSubmitted = "submitted"
	StepPaid      = "paid"
)

// OrderLineFact is one product of an order at one step: wished for when the order is
// submitted, sold when it is paid.
type OrderLineFact struct {
	OrderID   string    `fact:"order_id,order" doc:"the order"`
	BuyerID   string    `fact:"buyer_id" doc:"who ordered"`
	ProductID string    `fact:"product_id" doc:"what was ordered"`
	Category  string    `fact:"category,low" doc:"the product's category when it was ordered"`
	Country   string    `fact:"country,low" doc:"ISO 3166-1 alpha-2 code of the country it goes to"`
	Step      string    `fact:"step,order,low" doc:"submitted: wished for; paid: sold"`
	Line      int       `fact:"line" doc:"the line's number in the order, from 1"`
	Quantity  int       `fact:"quantity" doc:"pieces"`
	UnitPrice int64     `fact:"unit_price" doc:"price of a piece when it was ordered, in minor units (cents) of the currency"`
	Currency  string    `fact:"currency,low" doc:"ISO 4217 code; amounts of different currencies are never added"`
	At        time.Time `fact:"at,time" doc:"when the order came to this step, UTC"`
}

// OrderLines has every order's lines twice: submitted, and paid if it came to that.
var OrderLines = projections.Fact[OrderLineFact]{
	Name: "order_lines", Version: 1,
	Doc: "The lines of orders, once when submitted and once more when paid. Revenue is quantity * unit_price of step paid, per currency.",
	Handlers: []projections.FactHandler[OrderLineFact]{
		projections.Append(func(e contract.OrderSubmitted, m projections.Meta) ([]OrderLineFact, error) {
			return orderLineFacts(e.Lines, OrderLineFact{
				OrderID: e.OrderID, BuyerID: e.BuyerID, Country: e.ShipTo.Country, Step: StepSubmitted, At: m.Time,
			}), nil
		}),
		projections.Append(func(e contract.OrderPaid, m projections.Meta) ([]OrderLineFact, error) {
			return orderLineFacts(e.Lines, OrderLineFact{
				OrderID: e.OrderID, BuyerID: e.BuyerID, Country: e.Country, Step: StepPaid, At: m.Time,
			}), nil
		}),
	},
}

// orderLineFacts is a row per line; order carries what all of them share.
func orderLineFacts(lines []contract.OrderLine, order OrderLineFact) []OrderLineFact {
	rows := make([]OrderLineFact, len(lines))
	for i, l := range lines {
		rows[i] = order
		rows[i].Line = i + 1
		rows[i].ProductID, rows[i].Category, rows[i].Quantity = l.ProductID, l.Category, l.Quantity
		rows[i].UnitPrice, rows[i].Currency = l.UnitPrice.Amount, l.UnitPrice.Currency
	}
	return rows
}
