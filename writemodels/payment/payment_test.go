package payment

import (
	"testing"
	"time"

	"github.com/readside/readside/writemodels/contract"
)

func asked(kind, expires string, cents int64) contract.OrderStockConfirmed {
	return contract.OrderStockConfirmed{
		OrderID: "o", BuyerID: "ada", Total: contract.Money{Amount: cents, Currency: "EUR"},
		Payment: contract.PaymentMethod{Kind: kind, CardExpires: expires},
	}
}

// A card is good until its last month has ended, in UTC, by the time of the question.
func TestTake(t *testing.T) {
	t.Parallel()
	const limit = 500_00
	lastOfMay := time.Date(2027, 5, 31, 23, 59, 59, 0, time.UTC)
	for name, tc := range map[string]struct {
		e      contract.OrderStockConfirmed
		at     time.Time
		reason string // "" succeeds
	}{
		"invoice":                  {asked("invoice", "", 900_00), lastOfMay, ""},
		"good card":                {asked("card", "2027-06", limit), lastOfMay, ""},
		"last good month":          {asked("card", "2027-05", 1), lastOfMay, ""},
		"a second later":           {asked("card", "2027-05", 1), lastOfMay.Add(time.Second), "the card expired after 2027-05"},
		"still May by UTC":         {asked("card", "2027-05", 1), time.Date(2027, 6, 1, 1, 0, 0, 0, time.FixedZone("", 2*3600)), ""},
		"a year over, month under": {asked("card", "2026-12", 1), lastOfMay, "the card expired after 2026-12"},
		"over the limit":           {asked("card", "2027-06", limit+1), lastOfMay, "the amount is over the card's limit of 500.00 EUR"},
	} {
		events := Payment{}.Take(tc.e, Limits{CardAmountMax: limit}, tc.at)
		if len(events) != 1 {
			t.Fatalf("%s: %v", name, events)
		}
		reason := ""
		if failed, ok := events[0].(contract.PaymentFailed); ok {
			reason = failed.Reason
		}
		if reason != tc.reason {
			t.Errorf("%s: %q, want %q", name, reason, tc.reason)
		}
	}
}

// In whatever order question and cancellation come, no money stays for a cancelled order.
func TestPaymentWhateverTheOrder(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		steps string // t: take, c: cancel
		state state
		types string
	}{
		"taken":                 {"t", succeeded, "+"},
		"asked twice":           {"tt", succeeded, "+"},
		"cancelled meanwhile":   {"tc", failed, "+-"},
		"cancelled twice":       {"tcc", failed, "+-"},
		"asked after that":      {"tct", failed, "+-"},
		"cancelled first":       {"ct", barred, ""},
		"cancelled first twice": {"ctc", barred, ""},
	} {
		p, types := Payment{}, ""
		for _, step := range tc.steps {
			var events []contract.Event
			if step == 't' {
				events = p.Take(asked("invoice", "", 100), Limits{CardAmountMax: 1}, time.Now())
				p = p.Evolve(events...)
			} else {
				events = p.Cancel()
				p = p.Evolve(events...).Bar("o")
			}
			for _, e := range events {
				if _, ok := e.(contract.PaymentSucceeded); ok {
					types += "+"
				} else {
					types += "-"
				}
			}
		}
		if p.State != tc.state || types != tc.types {
			t.Errorf("%s: %q %q, want %q %q", name, p.State, types, tc.state, tc.types)
		}
	}
}

func TestAnOrderHasOnePaymentID(t *testing.T) {
	t.Parallel()
	first, again, other := idOf("o1"), idOf("o1"), idOf("o2")
	if first != again || first == other {
		t.Error("payment ids do not follow from orders")
	}
}
