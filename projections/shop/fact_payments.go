package shop

import (
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// The outcomes of a payment.
const (
	PaymentOutcomeSucceeded = "succeeded"
	PaymentOutcomeFailed    = "failed"
)

// PaymentFact is one attempt to pay an order.
type PaymentFact struct {
	PaymentID string    `fact:"payment_id,order" doc:"the payment"`
	OrderID   string    `fact:"order_id" doc:"the order it is for"`
	BuyerID   string    `fact:"buyer_id" doc:"who pays"`
	Method    string    `fact:"method,low" doc:"card or invoice"`
	Outcome   string    `fact:"outcome,low" doc:"succeeded or failed"`
	Reason    string    `fact:"reason,low" doc:"why it failed; empty when it succeeded"`
	Amount    int64     `fact:"amount" doc:"in minor units (cents) of the currency"`
	Currency  string    `fact:"currency,low" doc:"ISO 4217 code; amounts of different currencies are never added"`
	At        time.Time `fact:"at,time" doc:"when its outcome was known, UTC"`
}

// Payments has a row for every payment that came to an outcome.
var Payments = projections.Fact[PaymentFact]{
	Name: "payments", Version: 1,
	Doc: "Payments of orders and how they ended.",
	Handlers: []projections.FactHandler[PaymentFact]{
		projections.Append(func(e contract.PaymentSucceeded, m projections.Meta) ([]PaymentFact, error) {
			return []PaymentFact{{
				PaymentID: e.PaymentID, OrderID: e.OrderID, BuyerID: e.BuyerID, Method: e.Method,
				Outcome: PaymentOutcomeSucceeded, Amount: e.Amount.Amount, Currency: e.Amount.Currency, At: m.Time,
			}}, nil
		}),
		projections.Append(func(e contract.PaymentFailed, m projections.Meta) ([]PaymentFact, error) {
			return []PaymentFact{{
				PaymentID: e.PaymentID, OrderID: e.OrderID, BuyerID: e.BuyerID, Method: e.Method,
				Outcome: PaymentOutcomeFailed, Reason: e.Reason, Amount: e.Amount.Amount, Currency: e.Amount.Currency, At: m.Time,
			}}, nil
		}),
	},
}
