package shop

import (
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// What may happen to a basket.
const (
	BasketAdded      = "added"
	BasketChanged    = "quantity_changed"
	BasketRemoved    = "removed"
	BasketCheckedOut = "checked_out"
)

// BasketEventFact is one thing that a buyer did with a product in the basket.
// Checking out makes a row for every line.
type BasketEventFact struct {
	BuyerID   string    `fact:"buyer_id,order" doc:"whose basket it is"`
	ProductID string    `fact:"product_id" doc:"the product"`
	Kind      string    `fact:"kind,low" doc:"added, quantity_changed, removed or checked_out"`
	Quantity  int       `fact:"quantity" doc:"pieces added, pieces now (quantity_changed), pieces checked out; 0 when removed"`
	UnitPrice int64     `fact:"unit_price" doc:"price of a piece in minor units (cents) where the event names one (added, checked_out), else 0"`
	Currency  string    `fact:"currency,low" doc:"ISO 4217 code; empty where the event names no price"`
	OrderID   string    `fact:"order_id" doc:"the order that the basket became (checked_out), else empty"`
	At        time.Time `fact:"at,time" doc:"when it happened, UTC"`
}

// BasketEvents is the trail of what buyers put into baskets, took out and bought.
var BasketEvents = projections.Fact[BasketEventFact]{
	Name: "basket_events", Version: 1,
	Doc: "What buyers did with products in their baskets.",
	Handlers: []projections.FactHandler[BasketEventFact]{
		projections.Append(func(e contract.BasketItemAdded, m projections.Meta) ([]BasketEventFact, error) {
			return []BasketEventFact{{
				BuyerID: e.BuyerID, ProductID: e.ProductID, Kind: BasketAdded, Quantity: e.Quantity,
				UnitPrice: e.UnitPrice.Amount, Currency: e.UnitPrice.Currency, At: m.Time,
			}}, nil
		}),
		projections.Append(func(e contract.BasketQuantityChanged, m projections.Meta) ([]BasketEventFact, error) {
			return []BasketEventFact{{BuyerID: e.BuyerID, ProductID: e.ProductID, Kind: BasketChanged, Quantity: e.Quantity, At: m.Time}}, nil
		}),
		projections.Append(func(e contract.BasketItemRemoved, m projections.Meta) ([]BasketEventFact, error) {
			return []BasketEventFact{{BuyerID: e.BuyerID, ProductID: e.ProductID, Kind: BasketRemoved, At: m.Time}}, nil
		}),
		projections.Append(func(e contract.BasketCheckedOut, m projections.Meta) ([]BasketEventFact, error) {
			rows := make([]BasketEventFact, len(e.Lines))
			for i, l := range e.Lines {
				rows[i] = BasketEventFact{
					BuyerID: e.BuyerID, ProductID: l.ProductID, Kind: BasketCheckedOut, Quantity: l.Quantity,
					UnitPrice: l.UnitPrice.Amount, Currency: l.UnitPrice.Currency, OrderID: e.OrderID, At: m.Time,
				}
			}
			return rows, nil
		}),
	},
}
