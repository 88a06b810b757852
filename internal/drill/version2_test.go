package drill_test

import (
	"testing"
	"time"

	"github.com/readside/readside/projections"
	views "github.com/readside/readside/projections/shop"
	"github.com/readside/readside/writemodels/contract"
	"github.com/readside/readside/writemodels/upcasters"
)

// fulfilment2 is version 2 of the shop's view of open orders: it says what they are
// worth, too.
type fulfilment2 struct {
	OrderID     string    `view:"order_id,key"`
	Status      string    `view:"status,index"`
	BuyerID     string    `view:"buyer_id,index"`
	BuyerName   string    `view:"buyer_name,join"`
	TotalMinor  int64     `view:"total_minor"`
	SubmittedAt time.Time `view:"submitted_at,order"`
}

var fulfilments2 = projections.View[fulfilment2]{
	Name: "fulfilment", Version: 2,
	Handlers: []projections.Handler[fulfilment2]{
		projections.Create(
			func(e contract.OrderSubmitted) string { return e.OrderID },
			func(f *fulfilment2, e contract.OrderSubmitted, m projections.Meta) error {
				f.Status, f.BuyerID, f.TotalMinor, f.SubmittedAt = views.Submitted, e.BuyerID, e.Total.Amount, m.Time
				return nil
			}),
		projections.Update(
			func(e contract.OrderPaid) string { return e.OrderID },
			func(f *fulfilment2, _ contract.OrderPaid, _ projections.Meta) error {
				f.Status = views.Paid
				return nil
			}),
		projections.Delete[fulfilment2](func(e contract.OrderShipped) string { return e.OrderID }),
		projections.Delete[fulfilment2](func(e contract.OrderCancelled) string { return e.OrderID }),
	},
	Joins: []projections.Join[fulfilment2]{
		projections.Copy[fulfilment2](&views.Customers, "buyer_id", "buyer_name=name"),
	},
}

func version1(t *testing.T) *projections.Set {
	t.Helper()
	set, err := views.Set()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// version2 is the shop with one view changed.
func version2(t *testing.T) *projections.Set {
	t.Helper()
	lift, err := upcasters.New()
	if err != nil {
		t.Fatal(err)
	}
	set, err := projections.NewSet(projections.Upcasters(lift),
		&views.Customers, &views.Products, &views.Orders, &views.Baskets, &views.Accounts, &fulfilments2)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
