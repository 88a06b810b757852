package catalog

import (
	"fmt"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// stockMax bounds a product's stock, so that no sum of pieces overflows.
const stockMax = 1_000_000_000

// Product is the aggregate of what is on sale. The zero Product does not exist.
// Its stock is counted here, but pieces are taken by orders' Takings.
type Product struct {
	ID           string
	Version      int64
	Name         string
	Brand        string
	Category     string
	Price        contract.Money
	Stock        int
	Discontinued bool
}

func (p Product) exists() bool { return p.Version > 0 }

// Add puts a product on sale.
func (p Product) Add(e contract.ProductAdded) ([]contract.Event, error) {
	if p.exists() {
		return nil, command.Exists("product", e.ProductID)
	}
	return []contract.Event{e}, nil
}

// Rename gives a product a new name. The one that it has changes nothing.
func (p Product) Rename(id, name string) ([]contract.Event, error) {
	if err := p.onSale(id); err != nil || p.Name == name {
		return nil, err
	}
	return []contract.Event{contract.ProductRenamed{ProductID: id, Name: name}}, nil
}

// Reprice gives a product a new price in the currency that it has.
func (p Product) Reprice(id string, price contract.Money) ([]contract.Event, error) {
	if err := p.onSale(id); err != nil || p.Price == price {
		return nil, err
	}
	if price.Currency != p.Price.Currency {
		return nil, command.Conflict("other-currency", "sell it in another currency as another product",
			"product %q is sold in %s, not in %s", id, p.Price.Currency, price.Currency)
	}
	return []contract.Event{contract.ProductPriceChanged{ProductID: id, Old: p.Price, New: price}}, nil
}

// Replenish adds pieces to a product's stock.
func (p Product) Replenish(id string, quantity int) ([]contract.Event, error) {
	if err := p.onSale(id); err != nil {
		return nil, err
	}
	if p.Stock > stockMax-quantity {
		return nil, command.Conflict("stock-full", "add fewer pieces",
			"product %q has %d pieces; with %d more it would have over %d", id, p.Stock, quantity, stockMax)
	}
	return []contract.Event{contract.ProductReplenished{ProductID: id, Quantity: quantity}}, nil
}

// Discontinue takes a product off sale. One that is off already stays so.
func (p Product) Discontinue(id string) ([]contract.Event, error) {
	if p.exists() && p.Discontinued {
		return nil, nil
	}
	if err := p.onSale(id); err != nil {
		return nil, err
	}
	return []contract.Event{contract.ProductDiscontinued{ProductID: id}}, nil
}

func (p Product) onSale(id string) error {
	switch {
	case !p.exists():
		return command.NotFound("product", id)
	case p.Discontinued:
		return command.Conflict("discontinued", "a discontinued product does not change any more; add a new one",
			"product %q was discontinued", id)
	}
	return nil
}

// Evolve is the product after events of its own stream.
func (p Product) Evolve(events ...contract.Event) Product {
	for _, event := range events {
		p.Version++
		switch e := event.(type) {
		case contract.ProductAdded:
			p.ID, p.Name, p.Brand, p.Category = e.ProductID, e.Name, e.Brand, e.Category
			p.Price, p.Stock = e.Price, e.Stock
		case contract.ProductRenamed:
			p.Name = e.Name
		case contract.ProductPriceChanged:
			p.Price = e.New
		case contract.ProductReplenished:
			p.Stock += e.Quantity
		case contract.ProductDiscontinued:
			p.Discontinued = true
		default:
			panic(fmt.Sprintf("catalog: %T is no event of a product", e))
		}
	}
	return p
}
