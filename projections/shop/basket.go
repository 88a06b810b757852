package shop

import (
	"slices"
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// Basket is what a buyer has picked, at the prices of now, with a warning where a
// price has changed since.
type Basket struct {
	BuyerID   string           `view:"buyer_id,key"`
	BuyerName string           `view:"buyer_name,join"`
	Items     []BasketItem     `view:"items,hidden"`
	Pieces    int              `view:"pieces"`
	Lines     []BasketLine     `view:"lines,join"`
	Totals    []contract.Money `view:"totals,join"`
	Warnings  int              `view:"warnings,join"`
	ChangedAt time.Time        `view:"changed_at,order"`
}

// BasketItem is a product as it was put in.
type BasketItem struct {
	ProductID  string         `json:"productId"`
	Quantity   int            `json:"quantity"`
	AddedPrice contract.Money `json:"addedPrice"`
}

// BasketLine is a product as the screen shows it.
type BasketLine struct {
	ProductID   string         `json:"productId"`
	ProductName string         `json:"productName"`
	Quantity    int            `json:"quantity"`
	UnitPrice   contract.Money `json:"unitPrice"`
	AddedPrice  contract.Money `json:"addedPrice"`
	// Warning says what changed since the product was put in; empty when nothing did.
	Warning string `json:"warning"`
}

// Baskets follows basket's events, and names and prices of catalog through a join.
// A basket is never deleted: checking out empties it.
var Baskets = projections.View[Basket]{
	Name: "basket", Version: 1,
	Doc: "What a buyer has picked, at the prices of now, with a warning where a price has changed since.",
	Handlers: []projections.Handler[Basket]{
		projections.Create(
			func(e contract.BasketItemAdded) string { return e.BuyerID },
			func(b *Basket, e contract.BasketItemAdded, m projections.Meta) error {
				if i := b.find(e.ProductID); i >= 0 {
					if err := projections.AddTo(&b.Items[i].Quantity, e.Quantity); err != nil {
						return err
					}
					b.Items[i].AddedPrice = e.UnitPrice
				} else {
					b.Items = append(b.Items, BasketItem{e.ProductID, e.Quantity, e.UnitPrice})
				}
				return b.changed(m)
			}),
		projections.Update(
			func(e contract.BasketQuantityChanged) string { return e.BuyerID },
			func(b *Basket, e contract.BasketQuantityChanged, m projections.Meta) error {
				if i := b.find(e.ProductID); i >= 0 {
					b.Items[i].Quantity = e.Quantity
				}
				return b.changed(m)
			}),
		projections.Update(
			func(e contract.BasketItemRemoved) string { return e.BuyerID },
			func(b *Basket, e contract.BasketItemRemoved, m projections.Meta) error {
				b.Items = slices.DeleteFunc(b.Items, func(item BasketItem) bool { return item.ProductID == e.ProductID })
				return b.changed(m)
			}),
		projections.Update(
			func(e contract.BasketCheckedOut) string { return e.BuyerID },
			func(b *Basket, _ contract.BasketCheckedOut, m projections.Meta) error {
				b.Items = nil
				return b.changed(m)
			}),
	},
	Joins: []projections.Join[Basket]{
		projections.Copy[Basket](&Customers, "buyer_id", "buyer_name=name"),
		projections.JoinOn(&Products, (*Basket).products, (*Basket).price, "name", "price_minor", "currency", "discontinued"),
	},
}

func (b *Basket) find(product string) int {
	return slices.IndexFunc(b.Items, func(item BasketItem) bool { return item.ProductID == product })
}

func (b *Basket) changed(m projections.Meta) error {
	b.ChangedAt = m.Time
	b.Pieces = 0
	for _, item := range b.Items {
		if err := projections.AddTo(&b.Pieces, item.Quantity); err != nil {
			return err
		}
	}
	return nil
}

func (b *Basket) products() []string {
	ids := make([]string, len(b.Items))
	for i, item := range b.Items {
		ids[i] = item.ProductID
	}
	return ids
}

func (b *Basket) price(product func(id string) *Product) {
	b.Lines = make([]BasketLine, len(b.Items))
	for i, item := range b.Items {
		l := BasketLine{ProductID: item.ProductID, Quantity: item.Quantity, UnitPrice: item.AddedPrice, AddedPrice: item.AddedPrice}
		if p := product(item.ProductID); p != nil {
			l.ProductName, l.UnitPrice = p.Name, p.Price()
			l.Warning = warning(p, item)
		}
		if l.Warning != "" {
			b.Warnings++
		}
		b.Lines[i] = l
		if err := b.addTotal(l); err != nil {
			panic(err) // the row waits, and shows no total that is wrong
		}
	}
}

func (b *Basket) addTotal(l BasketLine) (err error) {
	amount, err := projections.Mul(l.UnitPrice.Amount, int64(l.Quantity))
	if err != nil {
		return err
	}
	b.Totals, err = addMoney(b.Totals, contract.Money{Amount: amount, Currency: l.UnitPrice.Currency})
	return err
}

func warning(p *Product, item BasketItem) string {
	switch {
	case p.Discontinued:
		return "no longer on sale"
	case p.Price() != item.AddedPrice:
		return "price changed since it was added"
	}
	return ""
}

// addMoney adds an amount to the sum of its currency; sums are sorted by currency.
func addMoney(sums []contract.Money, m contract.Money) ([]contract.Money, error) {
	i, found := slices.BinarySearchFunc(sums, m, func(a, b contract.Money) int {
		if a.Currency < b.Currency {
			return -1
		}
		if a.Currency > b.Currency {
			return 1
		}
		return 0
	})
	if !found {
		return slices.Insert(sums, i, m), nil
	}
	return sums, projections.AddTo(&sums[i].Amount, m.Amount)
}
