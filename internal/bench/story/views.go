package story

import (
	"time"

	"github.com/readside/readside/projections"
)

type (
	orderPlaced struct {
		OrderID    string    `json:"orderId"`
		UserID     string    `json:"userId"`
		Currency   string    `json:"currency"`
		City       string    `json:"city"`
		Country    string    `json:"country"`
		Lines      []line    `json:"lines"`
		ItemCount  int32     `json:"itemCount"`
		TotalCents int64     `json:"totalCents"`
		PlacedAt   time.Time `json:"placedAt"`
	}
	line struct {
		ProductID      string `json:"productId"`
		Title          string `json:"title"`
		Qty            int    `json:"qty"`
		UnitPriceCents int64  `json:"unitPriceCents"`
	}
	orderPaid struct {
		OrderID string    `json:"orderId"`
		PaidAt  time.Time `json:"paidAt"`
	}
	orderShipped struct {
		OrderID    string    `json:"orderId"`
		TrackingNo string    `json:"trackingNo"`
		ShippedAt  time.Time `json:"shippedAt"`
	}
	// UserRenamed is the event that a measurement of latency appends.
	UserRenamed struct {
		UserID  string `json:"userId"`
		NewName string `json:"newName"`
	}
)

func (orderPlaced) EventType() (string, int)  { return "bench.OrderPlaced", 1 }
func (orderPaid) EventType() (string, int)    { return "bench.OrderPaid", 1 }
func (orderShipped) EventType() (string, int) { return "bench.OrderShipped", 1 }
func (UserRenamed) EventType() (string, int)  { return "bench.UserRenamed", 1 }

// order is the view of 14 columns that every contestant fills.
type order struct {
	ID        string     `view:"order_id,key"`
	UserID    string     `view:"user_id"`
	UserName  string     `view:"user_name,join"`
	Status    string     `view:"status"`
	Currency  string     `view:"currency"`
	City      string     `view:"city"`
	Country   string     `view:"country"`
	ItemCount int32      `view:"item_count"`
	Total     int64      `view:"total_cents"`
	Lines     []line     `view:"lines"`
	PlacedAt  time.Time  `view:"placed_at"`
	PaidAt    *time.Time `view:"paid_at"`
	ShippedAt *time.Time `view:"shipped_at"`
	Tracking  string     `view:"tracking_no"`
}

type user struct {
	ID   string `view:"user_id,key"`
	Name string `view:"name"`
}

// NewSet is the order view with its join, and the users that it joins.
func NewSet() (*projections.Set, error) {
	users := &projections.View[user]{Name: "user", Version: 1, Handlers: []projections.Handler[user]{
		projections.Create(func(e UserRenamed) string { return e.UserID },
			func(u *user, e UserRenamed, _ projections.Meta) error { u.Name = e.NewName; return nil }),
	}}
	orders := &projections.View[order]{Name: "order", Version: 1,
		Handlers: []projections.Handler[order]{
			projections.Create(func(e orderPlaced) string { return e.OrderID }, place),
			projections.Update(func(e orderPaid) string { return e.OrderID },
				func(o *order, e orderPaid, _ projections.Meta) error {
					o.Status, o.PaidAt = "paid", &e.PaidAt
					return nil
				}),
			projections.Update(func(e orderShipped) string { return e.OrderID },
				func(o *order, e orderShipped, _ projections.Meta) error {
					o.Status, o.ShippedAt, o.Tracking = "shipped", &e.ShippedAt, e.TrackingNo
					return nil
				}),
		},
		Joins: []projections.Join[order]{projections.Copy[order](users, "user_id", "user_name=name")},
	}
	return projections.NewSet(users, orders)
}

func place(o *order, e orderPlaced, _ projections.Meta) error {
	o.UserID, o.Status, o.Currency, o.City, o.Country = e.UserID, "placed", e.Currency, e.City, e.Country
	o.ItemCount, o.Total, o.Lines, o.PlacedAt = e.ItemCount, e.TotalCents, e.Lines, e.PlacedAt
	return nil
}
