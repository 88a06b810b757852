package shop

import (
	"errors"
	"math"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
	"github.com/readside/readside/writemodels/contract"
)

// Sums at the bounds of their type are right, and beyond them the event is at fault: no
// amount of money turns into a debt.
func TestSumsDoNotWrap(t *testing.T) {
	t.Parallel()
	eur := func(amount int64) contract.Money { return contract.Money{Amount: amount, Currency: "EUR"} }
	lines := func(quantity int) []contract.StockLine {
		return []contract.StockLine{{ProductID: "p1", Quantity: quantity}}
	}
	for name, c := range map[string]struct{ fits, over []eventlog.Typed }{
		"stock": {[]eventlog.Typed{contract.ProductAdded{ProductID: "p1", Stock: math.MaxInt}},
			[]eventlog.Typed{contract.ProductReplenished{ProductID: "p1", Quantity: 1}}},
		"stock taken": {[]eventlog.Typed{contract.StockConfirmed{OrderID: "o1", Lines: lines(math.MaxInt)}},
			[]eventlog.Typed{contract.StockConfirmed{OrderID: "o2", Lines: lines(2)}}},
		"pieces of one event": {nil,
			[]eventlog.Typed{contract.StockReleased{OrderID: "o1", Lines: append(lines(math.MaxInt), lines(1)...)}}},
		"sold": {[]eventlog.Typed{contract.OrderPaid{OrderID: "o1", BuyerID: "c1", Lines: []contract.OrderLine{{ProductID: "p1", Quantity: math.MaxInt}}}},
			[]eventlog.Typed{contract.OrderPaid{OrderID: "o2", BuyerID: "c1", Lines: []contract.OrderLine{{ProductID: "p1", Quantity: 1}}}}},
		"lifetime value": {[]eventlog.Typed{contract.OrderPaid{OrderID: "o1", BuyerID: "c1", Total: eur(math.MaxInt64)}, contract.OrderPaid{OrderID: "o2", BuyerID: "c1", Total: contract.Money{Amount: math.MaxInt64, Currency: "CHF"}}},
			[]eventlog.Typed{contract.OrderPaid{OrderID: "o3", BuyerID: "c1", Total: eur(1)}}},
		"a basket's quantity": {[]eventlog.Typed{contract.BasketItemAdded{BuyerID: "c1", ProductID: "p1", Quantity: math.MaxInt, UnitPrice: eur(1)}},
			[]eventlog.Typed{contract.BasketItemAdded{BuyerID: "c1", ProductID: "p1", Quantity: 1, UnitPrice: eur(1)}}},
		"a basket's pieces": {[]eventlog.Typed{contract.BasketItemAdded{BuyerID: "c1", ProductID: "p1", Quantity: math.MaxInt, UnitPrice: eur(1)}},
			[]eventlog.Typed{contract.BasketItemAdded{BuyerID: "c1", ProductID: "p2", Quantity: 1, UnitPrice: eur(1)}}},
		"price and quantity": {[]eventlog.Typed{contract.BasketItemAdded{BuyerID: "c1", ProductID: "p1", Quantity: 1, UnitPrice: eur(math.MaxInt64)}},
			[]eventlog.Typed{contract.BasketQuantityChanged{BuyerID: "c1", ProductID: "p1", Quantity: 2}}},
		"a basket's total": {[]eventlog.Typed{contract.BasketItemAdded{BuyerID: "c1", ProductID: "p1", Quantity: 1, UnitPrice: eur(math.MaxInt64)}},
			[]eventlog.Typed{contract.BasketItemAdded{BuyerID: "c1", ProductID: "p2", Quantity: 1, UnitPrice: eur(1)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := mustSet(t)
			projectiontest.Fold(t, set, c.fits...)
			_, err := projectiontest.FoldEvents(set, projectiontest.Story(append(c.fits, c.over...)...))
			var fault *projections.FoldError
			if !errors.As(err, &fault) || !errors.Is(err, projections.ErrOverflow) {
				t.Errorf("folded: %v", err)
			}
		})
	}
}
