package shop

import (
	"cmp"
	"slices"
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// Account is what a mobile home screen shows of a customer: the profile, the
// basket in short, the latest orders, and what they were worth so far.
type Account struct {
	CustomerID    string           `view:"customer_id,key"`
	Name          string           `view:"name"`
	Email         string           `view:"email"`
	City          string           `view:"city"`
	Country       string           `view:"country"`
	RegisteredAt  time.Time        `view:"registered_at,order"`
	Basket        []BasketPieces   `view:"basket,hidden"`
	BasketPieces  int              `view:"basket_pieces"`
	OrderCount    int              `view:"order_count"`
	LatestOrders  []OrderBrief     `view:"latest_orders"`
	LifetimeValue []contract.Money `view:"lifetime_value"`
}

// BasketPieces is how many pieces of a product a basket holds.
type BasketPieces struct {
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
}

// OrderBrief is an order in one line.
type OrderBrief struct {
	OrderID     string         `json:"orderId"`
	Status      string         `json:"status"`
	Total       contract.Money `json:"total"`
	SubmittedAt time.Time      `json:"submittedAt"`
}

// latestOrders is how many orders an account shows.
const latestOrders = 5

// Accounts follows identity, basket and ordering. Every part of a row comes from
// streams of one kind, so the parts do not depend on each other's order.
var Accounts = projections.View[Account]{
	Name: "account", Version: 1,
	Doc:      "A mobile home screen: profile, basket in short, latest orders, lifetime value.",
	Handlers: slices.Concat(accountProfile, accountBasket, accountOrders),
}

var accountProfile = []projections.Handler[Account]{
	projections.Create(
		func(e contract.CustomerRegistered) string { return e.CustomerID },
		func(a *Account, e contract.CustomerRegistered, m projections.Meta) error {
			a.Name, a.Email, a.RegisteredAt = e.Name, e.Email, m.Time
			a.City, a.Country = e.Address.City, e.Address.Country
			return nil
		}),
	projections.Update(
		func(e contract.CustomerRenamed) string { return e.CustomerID },
		func(a *Account, e contract.CustomerRenamed, _ projections.Meta) error {
			a.Name = e.Name
			return nil
		}),
	projections.Update(
		func(e contract.CustomerAddressChanged) string { return e.CustomerID },
		func(a *Account, e contract.CustomerAddressChanged, _ projections.Meta) error {
			a.City, a.Country = e.Address.City, e.Address.Country
			return nil
		}),
}

var accountBasket = []projections.Handler[Account]{
	projections.Update(
		func(e contract.BasketItemAdded) string { return e.BuyerID },
		func(a *Account, e contract.BasketItemAdded, _ projections.Meta) error {
			quantity, err := projections.Add(a.piecesOf(e.ProductID), e.Quantity)
			if err != nil {
				return err
			}
			return a.setPieces(e.ProductID, quantity)
		}),
	projections.Update(
		func(e contract.BasketQuantityChanged) string { return e.BuyerID },
		func(a *Account, e contract.BasketQuantityChanged, _ projections.Meta) error {
			return a.setPieces(e.ProductID, e.Quantity)
		}),
	projections.Update(
		func(e contract.BasketItemRemoved) string { return e.BuyerID },
		func(a *Account, e contract.BasketItemRemoved, _ projections.Meta) error {
			return a.setPieces(e.ProductID, 0)
		}),
	projections.Update(
		func(e contract.BasketCheckedOut) string { return e.BuyerID },
		func(a *Account, _ contract.BasketCheckedOut, _ projections.Meta) error {
			a.Basket, a.BasketPieces = nil, 0
			return nil
		}),
}

var accountOrders = []projections.Handler[Account]{
	projections.Update(
		func(e contract.OrderSubmitted) string { return e.BuyerID },
		func(a *Account, e contract.OrderSubmitted, m projections.Meta) error {
			a.OrderCount++
			a.addOrder(OrderBrief{e.OrderID, Submitted, e.Total, m.Time})
			return nil
		}),
	projections.Update(
		func(e contract.OrderAwaitingValidation) string { return e.BuyerID },
		func(a *Account, e contract.OrderAwaitingValidation, _ projections.Meta) error {
			return a.setStatus(e.OrderID, AwaitingValidation)
		}),
	projections.Update(
		func(e contract.OrderStockConfirmed) string { return e.BuyerID },
		func(a *Account, e contract.OrderStockConfirmed, _ projections.Meta) error {
			return a.setStatus(e.OrderID, StockConfirmed)
		}),
	projections.Update(
		func(e contract.OrderStockRejected) string { return e.BuyerID },
		func(a *Account, e contract.OrderStockRejected, _ projections.Meta) error {
			return a.setStatus(e.OrderID, StockRejected)
		}),
	projections.Update(
		func(e contract.OrderPaid) string { return e.BuyerID },
		func(a *Account, e contract.OrderPaid, _ projections.Meta) error {
			var err error
			if a.LifetimeValue, err = addMoney(a.LifetimeValue, e.Total); err != nil {
				return err
			}
			return a.setStatus(e.OrderID, Paid)
		}),
	projections.Update(
		func(e contract.OrderShipped) string { return e.BuyerID },
		func(a *Account, e contract.OrderShipped, _ projections.Meta) error {
			return a.setStatus(e.OrderID, Shipped)
		}),
	projections.Update(
		func(e contract.OrderCancelled) string { return e.BuyerID },
		func(a *Account, e contract.OrderCancelled, _ projections.Meta) error {
			return a.setStatus(e.OrderID, Cancelled)
		}),
}

func (a *Account) piecesOf(product string) int {
	for _, p := range a.Basket {
		if p.ProductID == product {
			return p.Quantity
		}
	}
	return 0
}

func (a *Account) setPieces(product string, quantity int) error {
	a.Basket = slices.DeleteFunc(a.Basket, func(p BasketPieces) bool { return p.ProductID == product })
	if quantity > 0 {
		a.Basket = append(a.Basket, BasketPieces{product, quantity})
	}
	a.BasketPieces = 0
	for _, p := range a.Basket {
		if err := projections.AddTo(&a.BasketPieces, p.Quantity); err != nil {
			return err
		}
	}
	return nil
}

// addOrder keeps the latest orders, the newest first.
func (a *Account) addOrder(o OrderBrief) {
	a.LatestOrders = append(a.LatestOrders, o)
	slices.SortFunc(a.LatestOrders, func(x, y OrderBrief) int {
		return cmp.Or(y.SubmittedAt.Compare(x.SubmittedAt), cmp.Compare(x.OrderID, y.OrderID))
	})
	a.LatestOrders = a.LatestOrders[:min(len(a.LatestOrders), latestOrders)]
}

// setStatus changes the status of an order if it is among the latest.
func (a *Account) setStatus(order, status string) error {
	for i := range a.LatestOrders {
		if a.LatestOrders[i].OrderID == order {
			a.LatestOrders[i].Status = status
		}
	}
	return nil
}
