package ordering

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

func checkedOut() contract.BasketCheckedOut {
	euros := func(n int64) contract.Money { return contract.Money{Amount: n, Currency: "EUR"} }
	return contract.BasketCheckedOut{
		BuyerID: "ada", OrderID: "o1",
		Lines: []contract.OrderLine{
			{ProductID: "p1", Category: "books", Quantity: 2, UnitPrice: euros(1250)},
			{ProductID: "p2", Category: "toys", Quantity: 1, UnitPrice: euros(99)},
		},
		ShipTo:  contract.Address{Street: "s", City: "c", PostalCode: "p", Country: "GB"},
		Payment: contract.PaymentMethod{Kind: "invoice"},
	}
}

// to brings an order to a state, by the shortest way.
func to(t *testing.T, status Status) Order {
	t.Helper()
	o := Order{}.Evolve(submitted(t, Order{}, checkedOut())...)
	o.ID = "o1"
	ways := map[Status][]func(Order) []contract.Event{
		Submitted:          {},
		AwaitingValidation: {Order.EndGrace},
		StockConfirmed:     {Order.EndGrace, Order.ConfirmStock},
		StockRejected:      {Order.EndGrace, func(o Order) []contract.Event { return o.RejectStock(nil) }},
		Paid:               {Order.EndGrace, Order.ConfirmStock, pay},
		Shipped:            {Order.EndGrace, Order.ConfirmStock, pay, ship1},
		Cancelled:          {cancel1},
	}
	for _, step := range ways[status] {
		o = o.Evolve(step(o)...)
	}
	if o.Status != status {
		t.Fatalf("came to %s, want %s", o.Status, status)
	}
	return o
}

func pay(o Order) []contract.Event { return o.Pay("pay-1") }

func ship1(o Order) []contract.Event {
	events, err := o.Ship("o1", "DHL", "T1")
	return orNone(events, err)
}

func cancel1(o Order) []contract.Event {
	events, err := o.Cancel("o1", "changed my mind")
	return orNone(events, err)
}

func orNone(events []contract.Event, err error) []contract.Event {
	if err != nil {
		return nil
	}
	return events
}

// Every step from every state: either it leads to its state, or it changes nothing.
func TestTheOnlyWaysOfAnOrder(t *testing.T) {
	t.Parallel()
	steps := map[string]struct {
		do   func(Order) []contract.Event
		from []Status
		to   Status
	}{
		"grace ends":       {Order.EndGrace, []Status{Submitted}, AwaitingValidation},
		"stock confirmed":  {Order.ConfirmStock, []Status{AwaitingValidation}, StockConfirmed},
		"stock rejected":   {func(o Order) []contract.Event { return o.RejectStock(nil) }, []Status{AwaitingValidation}, StockRejected},
		"payment succeeds": {pay, []Status{StockConfirmed}, Paid},
		"payment fails":    {func(o Order) []contract.Event { return o.FailPayment("no money") }, []Status{StockConfirmed}, Cancelled},
		"ship":             {ship1, []Status{Paid}, Shipped},
		"cancel":           {cancel1, []Status{Submitted, AwaitingValidation, StockConfirmed, StockRejected}, Cancelled},
	}
	for name, step := range steps {
		for _, status := range []Status{Submitted, AwaitingValidation, StockConfirmed, StockRejected, Paid, Shipped, Cancelled} {
			before := to(t, status)
			want := status
			for _, from := range step.from {
				if from == status {
					want = step.to
				}
			}
			if after := before.Evolve(step.do(before)...); after.Status != want {
				t.Errorf("%s in %s leads to %s, want %s", name, status, after.Status, want)
			}
		}
	}
}

func TestRefusedTransitionsNameBothStates(t *testing.T) {
	t.Parallel()
	_, err := to(t, Shipped).Cancel("o1", "too late")
	var refusal *command.Refusal
	if !errors.As(err, &refusal) || refusal.Status != http.StatusConflict {
		t.Fatal(err)
	}
	if !strings.Contains(refusal.Detail, "shipped") || !strings.Contains(refusal.Detail, "cancelled") {
		t.Errorf("%q does not name both states", refusal.Detail)
	}
	_, err = Order{}.Ship("o9", "DHL", "T1")
	if !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound {
		t.Errorf("shipping what does not exist: %v", err)
	}
}

func TestEventsCarryWhatOthersNeed(t *testing.T) {
	t.Parallel()
	b := checkedOut()
	total := contract.Money{Amount: 2*1250 + 99, Currency: "EUR"}
	for _, tc := range []struct {
		got  []contract.Event
		want contract.Event
	}{
		{submitted(t, Order{}, b), contract.OrderSubmitted{OrderID: "o1", BuyerID: "ada", Lines: b.Lines, Total: total, ShipTo: b.ShipTo, Payment: b.Payment}},
		{to(t, Submitted).EndGrace(), contract.OrderAwaitingValidation{OrderID: "o1", BuyerID: "ada",
			Lines: []contract.StockLine{{ProductID: "p1", Quantity: 2}, {ProductID: "p2", Quantity: 1}}}},
		{to(t, AwaitingValidation).ConfirmStock(), contract.OrderStockConfirmed{OrderID: "o1", BuyerID: "ada", Total: total, Payment: b.Payment}},
		{pay(to(t, StockConfirmed)), contract.OrderPaid{OrderID: "o1", BuyerID: "ada", PaymentID: "pay-1", Lines: b.Lines, Total: total, Country: "GB"}},
		{ship1(to(t, Paid)), contract.OrderShipped{OrderID: "o1", BuyerID: "ada", Carrier: "DHL", TrackingNumber: "T1"}},
		{cancel1(to(t, Submitted)), contract.OrderCancelled{OrderID: "o1", BuyerID: "ada", Reason: "changed my mind", Total: total}},
	} {
		if diff := cmp.Diff([]contract.Event{tc.want}, tc.got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSubmittedOnce(t *testing.T) {
	t.Parallel()
	if again := submitted(t, to(t, Submitted), checkedOut()); len(again) > 0 {
		t.Errorf("the same basket became an order again: %v", again)
	}
}

func submitted(t *testing.T, o Order, b contract.BasketCheckedOut) []contract.Event {
	t.Helper()
	events, err := o.Submit(b)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// A total beyond the largest amount would wrap round to a debt: the basket is refused.
func TestTotalThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	b := checkedOut()
	price := contract.Money{Amount: math.MaxInt64, Currency: b.Lines[0].UnitPrice.Currency}
	for _, quantities := range [][]int{{2}, {1, 1}} {
		b.Lines = nil
		for _, n := range quantities {
			b.Lines = append(b.Lines, contract.OrderLine{ProductID: "p", Quantity: n, UnitPrice: price})
		}
		events, err := Order{}.Submit(b)
		var refusal *command.Refusal
		if len(events) > 0 || !errors.As(err, &refusal) || refusal.Code != "total-too-large" {
			t.Errorf("%v of %d: %v, %v", quantities, price.Amount, events, err)
		}
	}
}
