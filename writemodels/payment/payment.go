package payment

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/readside/readside/writemodels/contract"
)

// state says what became of an order's money.
type state string

const (
	nothingYet state = ""
	succeeded  state = "succeeded"
	failed     state = "failed"
	// barred: the order was cancelled before its money was asked for; none will be taken.
	barred state = "barred"
)

// reasonRefunded is why a payment that had succeeded fails after all.
const reasonRefunded = "refunded: the order was cancelled meanwhile"

// Payment is the aggregate of one order's money. It decides once: whatever arrives
// twice, late or in another order finds the decision made.
type Payment struct {
	OrderID string
	Version int64
	State   state
	ID      string
	BuyerID string
	Amount  contract.Money
	Method  string
}

// Limits are the rules that payments obey.
type Limits struct {
	// CardAmountMax is the highest amount, in minor units of any currency, that a card pays.
	CardAmountMax int64
}

// Take takes an order's money. now is the time of the event that asks for it.
func (p Payment) Take(e contract.OrderStockConfirmed, limits Limits, now time.Time) []contract.Event {
	if p.State != nothingYet {
		return nil
	}
	id := idOf(e.OrderID)
	if reason := limits.refuse(e, now); reason != "" {
		return []contract.Event{contract.PaymentFailed{
			PaymentID: id, OrderID: e.OrderID, BuyerID: e.BuyerID, Amount: e.Total, Method: e.Payment.Kind, Reason: reason,
		}}
	}
	return []contract.Event{contract.PaymentSucceeded{
		PaymentID: id, OrderID: e.OrderID, BuyerID: e.BuyerID, Amount: e.Total, Method: e.Payment.Kind,
	}}
}

// idOf is the payment's id: an order has one payment, so it follows from the order's.
func idOf(orderID string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:readside:payment:"+orderID)).String()
}

// refuse says why a card does not pay; months compare as text.
func (l Limits) refuse(e contract.OrderStockConfirmed, now time.Time) string {
	switch {
	case e.Payment.Kind != "card":
		return ""
	case e.Payment.CardExpires < now.UTC().Format("2006-01"):
		return "the card expired after " + e.Payment.CardExpires
	case e.Total.Amount > l.CardAmountMax:
		return fmt.Sprintf("the amount is over the card's limit of %d.%02d %s", l.CardAmountMax/100, l.CardAmountMax%100, e.Total.Currency)
	}
	return ""
}

// Cancel gives back the money of an order that was cancelled while it was taken. The
// contract has no event of its own for it: the payment's last word is then that it
// failed. Before anything was asked for, see Bar.
func (p Payment) Cancel() []contract.Event {
	if p.State != succeeded {
		return nil
	}
	return []contract.Event{contract.PaymentFailed{
		PaymentID: p.ID, OrderID: p.OrderID, BuyerID: p.BuyerID, Amount: p.Amount, Method: p.Method, Reason: reasonRefunded,
	}}
}

// Bar is the payment of a cancelled order whose money was not asked for yet.
func (p Payment) Bar(orderID string) Payment {
	if p.State == nothingYet {
		p.OrderID, p.State = orderID, barred
	}
	return p
}

// Evolve is the payment after events.
func (p Payment) Evolve(events ...contract.Event) Payment {
	for _, event := range events {
		p.Version++
		switch e := event.(type) {
		case contract.PaymentSucceeded:
			p.State, p.OrderID, p.ID, p.BuyerID, p.Amount, p.Method = succeeded, e.OrderID, e.PaymentID, e.BuyerID, e.Amount, e.Method
		case contract.PaymentFailed:
			p.State, p.OrderID, p.ID, p.BuyerID, p.Amount, p.Method = failed, e.OrderID, e.PaymentID, e.BuyerID, e.Amount, e.Method
		}
	}
	return p
}
