package basket

import (
	"fmt"
	"slices"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

const (
	linesMax    = 50
	quantityMax = 10_000
)

// Line is what a basket holds of one product.
type Line struct {
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
	// AddedPrice is the price when pieces were added last.
	AddedPrice contract.Money `json:"addedPrice"`
}

// Basket is the aggregate: what one buyer is about to order. The zero Basket is empty.
type Basket struct {
	BuyerID string
	Version int64
	Lines   []Line
}

// Product is the service's own copy of what the catalog told about a product.
type Product struct {
	ID           string
	Name         string
	Category     string
	Price        contract.Money
	Discontinued bool
}

// Item is a wish for pieces of a product.
type Item struct {
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
}

func (b Basket) line(productID string) int {
	return slices.IndexFunc(b.Lines, func(l Line) bool { return l.ProductID == productID })
}

// Add puts pieces into the basket, on top of those already there: all items or none.
func (b Basket) Add(buyerID string, items []Item, products map[string]Product) ([]contract.Event, error) {
	var events []contract.Event
	for _, item := range items {
		p, err := buyable(item.ProductID, products)
		if err != nil {
			return nil, err
		}
		event := contract.BasketItemAdded{BuyerID: buyerID, ProductID: p.ID, Quantity: item.Quantity, UnitPrice: p.Price}
		b = b.Evolve(event)
		if err := b.fits(p); err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

// buyable refuses products that cannot be bought.
func buyable(id string, products map[string]Product) (Product, error) {
	p, known := products[id]
	switch {
	case !known:
		return p, command.Conflict("unknown-product", "check the id; a product that was added a moment ago is known here shortly",
			"the basket knows no product %q", id)
	case p.Discontinued:
		return p, command.Conflict("discontinued", "take the product out of the basket, or choose another", "product %q was discontinued", id)
	}
	return p, nil
}

// fits refuses what would make the basket too large or mix currencies.
func (b Basket) fits(p Product) error {
	line := b.Lines[b.line(p.ID)]
	switch {
	case line.Quantity > quantityMax:
		return command.Conflict("too-many-pieces", "order the rest in another order",
			"the basket would hold %d pieces of product %q; at most %d are allowed", line.Quantity, p.ID, quantityMax)
	case len(b.Lines) > linesMax:
		return command.Conflict("too-many-products", "check out first, then fill the basket anew",
			"the basket would hold %d products; at most %d are allowed", len(b.Lines), linesMax)
	case b.Lines[0].AddedPrice.Currency != p.Price.Currency:
		return command.Conflict("mixed-currencies", "order it in an order of its own",
			"product %q is sold in %s, the basket's in %s", p.ID, p.Price.Currency, b.Lines[0].AddedPrice.Currency)
	}
	return nil
}

// SetQuantity says how many pieces of a product the basket holds. The number that it
// holds already changes nothing.
func (b Basket) SetQuantity(buyerID, productID string, quantity int) ([]contract.Event, error) {
	i := b.line(productID)
	switch {
	case i < 0:
		return nil, notInBasket(buyerID, productID)
	case b.Lines[i].Quantity == quantity:
		return nil, nil
	}
	return []contract.Event{contract.BasketQuantityChanged{BuyerID: buyerID, ProductID: productID, Quantity: quantity}}, nil
}

// Remove takes a product out.
func (b Basket) Remove(buyerID, productID string) ([]contract.Event, error) {
	if b.line(productID) < 0 {
		return nil, notInBasket(buyerID, productID)
	}
	return []contract.Event{contract.BasketItemRemoved{BuyerID: buyerID, ProductID: productID}}, nil
}

func notInBasket(buyerID, productID string) error {
	return command.NotFound("product in the basket of "+buyerID, productID)
}

// CheckOut makes an order of the basket, at the prices of this moment.
func (b Basket) CheckOut(buyerID, orderID string, shipTo contract.Address, payment contract.PaymentMethod, products map[string]Product) ([]contract.Event, error) {
	if len(b.Lines) == 0 {
		return nil, command.Conflict("empty-basket", "add something first", "the basket of %q is empty", buyerID)
	}
	lines := make([]contract.OrderLine, 0, len(b.Lines))
	for _, l := range b.Lines {
		p, err := buyable(l.ProductID, products)
		if err != nil {
			return nil, err
		}
		lines = append(lines, contract.OrderLine{ProductID: p.ID, Category: p.Category, Quantity: l.Quantity, UnitPrice: p.Price})
	}
	return []contract.Event{contract.BasketCheckedOut{
		BuyerID: buyerID, OrderID: orderID, Lines: lines, ShipTo: shipTo, Payment: payment,
	}}, nil
}

// Evolve is the basket after events. The lines of the basket before stay as they are.
func (b Basket) Evolve(events ...contract.Event) Basket {
	b.Lines = slices.Clone(b.Lines)
	for _, event := range events {
		b.Version++
		switch e := event.(type) {
		case contract.BasketItemAdded:
			b.BuyerID = e.BuyerID
			b.add(e)
		case contract.BasketQuantityChanged:
			b.Lines[b.line(e.ProductID)].Quantity = e.Quantity
		case contract.BasketItemRemoved:
			i := b.line(e.ProductID)
			b.Lines = slices.Delete(b.Lines, i, i+1)
		case contract.BasketCheckedOut:
			b.Lines = nil
		default:
			panic(fmt.Sprintf("basket: %T is no event of a basket", e))
		}
	}
	return b
}

func (b *Basket) add(e contract.BasketItemAdded) {
	if i := b.line(e.ProductID); i >= 0 {
		b.Lines[i].Quantity += e.Quantity
		b.Lines[i].AddedPrice = e.UnitPrice
		return
	}
	b.Lines = append(b.Lines, Line{ProductID: e.ProductID, Quantity: e.Quantity, AddedPrice: e.UnitPrice})
}
