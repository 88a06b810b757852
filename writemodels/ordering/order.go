package ordering

import (
	"fmt"
	"slices"
	"time"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// Status is where an order stands.
type Status string

// The states of an order. StockRejected, Shipped and Cancelled are where it may rest.
const (
	Submitted          Status = "submitted"
	AwaitingValidation Status = "awaiting_validation"
	StockConfirmed     Status = "stock_confirmed"
	StockRejected      Status = "stock_rejected"
	Paid               Status = "paid"
	Shipped            Status = "shipped"
	Cancelled          Status = "cancelled"
)

// reachedFrom says from which states each state is reached; every other way is refused.
func reachedFrom(to Status) []Status {
	switch to {
	case AwaitingValidation:
		return []Status{Submitted}
	case StockConfirmed, StockRejected:
		return []Status{AwaitingValidation}
	case Paid:
		return []Status{StockConfirmed}
	case Shipped:
		return []Status{Paid}
	case Cancelled:
		return []Status{Submitted, AwaitingValidation, StockConfirmed, StockRejected}
	}
	return nil
}

// Order is the aggregate. The zero Order does not exist.
type Order struct {
	ID        string
	Version   int64
	Status    Status
	BuyerID   string
	Lines     []contract.OrderLine
	Total     contract.Money
	ShipTo    contract.Address
	Payment   contract.PaymentMethod
	PaymentID string
	// GraceUntil is when the buyer's time to think again ends.
	GraceUntil time.Time
	// Cause is what the order came from: the grace period's end carries it on.
	Cause command.Cause
}

func (o Order) exists() bool       { return o.Version > 0 }
func (o Order) may(to Status) bool { return slices.Contains(reachedFrom(to), o.Status) }

// Submit opens an order of a basket. A basket that is an order already changes nothing.
// One whose total no amount can hold is refused; the basket's own bounds allow none, but
// its event may have been imported.
func (o Order) Submit(b contract.BasketCheckedOut) ([]contract.Event, error) {
	if o.exists() {
		return nil, nil
	}
	sum, err := total(b.Lines)
	if err != nil {
		return nil, command.Conflict("total-too-large", "check the prices and quantities of its lines", "the order %q has no total: %v", b.OrderID, err)
	}
	return []contract.Event{contract.OrderSubmitted{
		OrderID: b.OrderID, BuyerID: b.BuyerID, Lines: b.Lines, Total: sum, ShipTo: b.ShipTo, Payment: b.Payment,
	}}, nil
}

// total adds up lines of one currency.
func total(lines []contract.OrderLine) (sum contract.Money, err error) {
	for _, l := range lines {
		amount, err := l.UnitPrice.Times(l.Quantity)
		if err != nil {
			return contract.Money{}, err
		}
		if sum, err = sum.Plus(amount); err != nil {
			return contract.Money{}, err
		}
	}
	return sum, nil
}

// EndGrace asks the catalog for the order's pieces.
func (o Order) EndGrace() []contract.Event {
	if !o.may(AwaitingValidation) {
		return nil
	}
	lines := make([]contract.StockLine, 0, len(o.Lines))
	for _, l := range o.Lines {
		lines = append(lines, contract.StockLine{ProductID: l.ProductID, Quantity: l.Quantity})
	}
	return []contract.Event{contract.OrderAwaitingValidation{OrderID: o.ID, BuyerID: o.BuyerID, Lines: lines}}
}

// ConfirmStock asks for the money. An order that was cancelled meanwhile stays so: the
// catalog puts its pieces back when it learns of it.
func (o Order) ConfirmStock() []contract.Event {
	if !o.may(StockConfirmed) {
		return nil
	}
	return []contract.Event{contract.OrderStockConfirmed{OrderID: o.ID, BuyerID: o.BuyerID, Total: o.Total, Payment: o.Payment}}
}

// RejectStock notes which pieces are missing.
func (o Order) RejectStock(missing []contract.MissingLine) []contract.Event {
	if !o.may(StockRejected) {
		return nil
	}
	return []contract.Event{contract.OrderStockRejected{OrderID: o.ID, BuyerID: o.BuyerID, Missing: missing}}
}

// Pay sells the order's lines. For one that was cancelled meanwhile the payment
// service gives the money back when it learns of it.
func (o Order) Pay(paymentID string) []contract.Event {
	if !o.may(Paid) {
		return nil
	}
	return []contract.Event{contract.OrderPaid{
		OrderID: o.ID, BuyerID: o.BuyerID, PaymentID: paymentID, Lines: o.Lines, Total: o.Total, Country: o.ShipTo.Country,
	}}
}

// FailPayment cancels an order whose money does not come.
func (o Order) FailPayment(reason string) []contract.Event {
	if o.Status != StockConfirmed {
		return nil
	}
	return o.cancelled("payment failed: " + reason)
}

func (o Order) cancelled(reason string) []contract.Event {
	return []contract.Event{contract.OrderCancelled{OrderID: o.ID, BuyerID: o.BuyerID, Reason: reason, Total: o.Total}}
}

// Ship sends the parcel.
func (o Order) Ship(id, carrier, trackingNumber string) ([]contract.Event, error) {
	if err := o.want(id, Shipped); err != nil {
		return nil, err
	}
	return []contract.Event{contract.OrderShipped{OrderID: id, BuyerID: o.BuyerID, Carrier: carrier, TrackingNumber: trackingNumber}}, nil
}

// Cancel ends an order that is not paid.
func (o Order) Cancel(id, reason string) ([]contract.Event, error) {
	if err := o.want(id, Cancelled); err != nil {
		return nil, err
	}
	return o.cancelled(reason), nil
}

// want refuses a way that the states do not know, naming both.
func (o Order) want(id string, to Status) error {
	switch {
	case !o.exists():
		return command.NotFound("order", id)
	case !o.may(to):
		return command.Conflict("illegal-transition", fmt.Sprintf("an order becomes %s only from %v", to, reachedFrom(to)),
			"order %q is %s and cannot become %s", id, o.Status, to)
	}
	return nil
}

// Evolve is the order after events.
func (o Order) Evolve(events ...contract.Event) Order {
	for _, event := range events {
		o.Version++
		switch e := event.(type) {
		case contract.OrderSubmitted:
			o.ID, o.BuyerID, o.Status = e.OrderID, e.BuyerID, Submitted
			o.Lines, o.Total, o.ShipTo, o.Payment = e.Lines, e.Total, e.ShipTo, e.Payment
		case contract.OrderAwaitingValidation:
			o.Status = AwaitingValidation
		case contract.OrderStockConfirmed:
			o.Status = StockConfirmed
		case contract.OrderStockRejected:
			o.Status = StockRejected
		case contract.OrderPaid:
			o.Status, o.PaymentID = Paid, e.PaymentID
		case contract.OrderShipped:
			o.Status = Shipped
		case contract.OrderCancelled:
			o.Status = Cancelled
		}
	}
	return o
}
