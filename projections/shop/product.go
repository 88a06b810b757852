package shop

import (
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// Product is a product's card: what it is, what it costs, how many there are and
// how many were sold.
type Product struct {
	ID            string    `view:"id,key"`
	Name          string    `view:"name,order"`
	Brand         string    `view:"brand,index"`
	Category      string    `view:"category,index"`
	PriceMinor    int64     `view:"price_minor"`
	OldPriceMinor *int64    `view:"old_price_minor"`
	Currency      string    `view:"currency"`
	Stock         int       `view:"stock"`
	Sold          int       `view:"sold"`
	Discontinued  bool      `view:"discontinued"`
	AddedAt       time.Time `view:"added_at,order"`
}

// Price is what a piece costs now.
func (p *Product) Price() contract.Money {
	return contract.Money{Amount: p.PriceMinor, Currency: p.Currency}
}

// Products follows catalog's events, and ordering's for what was sold. Stock and
// Sold are sums, so that it does not matter which stream's event came first.
var Products = projections.View[Product]{
	Name: "product", Version: 1,
	Doc: "A product's card: what it is, what it costs, how many there are and how many were sold.",
	Handlers: []projections.Handler[Product]{
		projections.Create(
			func(e contract.ProductAdded) string { return e.ProductID },
			func(p *Product, e contract.ProductAdded, m projections.Meta) error {
				p.Name, p.Brand, p.Category, p.AddedAt = e.Name, e.Brand, e.Category, m.Time
				p.PriceMinor, p.Currency = e.Price.Amount, e.Price.Currency
				return projections.AddTo(&p.Stock, e.Stock)
			}),
		projections.Update(
			func(e contract.ProductRenamed) string { return e.ProductID },
			func(p *Product, e contract.ProductRenamed, _ projections.Meta) error {
				p.Name = e.Name
				return nil
			}),
		projections.Update(
			func(e contract.ProductPriceChanged) string { return e.ProductID },
			func(p *Product, e contract.ProductPriceChanged, _ projections.Meta) error {
				p.PriceMinor, p.Currency, p.OldPriceMinor = e.New.Amount, e.New.Currency, &e.Old.Amount
				return nil
			}),
		projections.Update(
			func(e contract.ProductReplenished) string { return e.ProductID },
			func(p *Product, e contract.ProductReplenished, _ projections.Meta) error {
				return projections.AddTo(&p.Stock, e.Quantity)
			}),
		projections.Update(
			func(e contract.ProductDiscontinued) string { return e.ProductID },
			func(p *Product, _ contract.ProductDiscontinued, _ projections.Meta) error {
				p.Discontinued = true
				return nil
			}),
		projections.UpdateEach(
			func(e contract.StockConfirmed, _ projections.Meta) []string { return stockProducts(e.Lines) },
			func(p *Product, id string, e contract.StockConfirmed, _ projections.Meta) error {
				n, err := pieces(e.Lines, id)
				if err != nil {
					return err
				}
				return projections.TakeFrom(&p.Stock, n)
			}),
		projections.UpdateEach(
			func(e contract.StockReleased, _ projections.Meta) []string { return stockProducts(e.Lines) },
			func(p *Product, id string, e contract.StockReleased, _ projections.Meta) error {
				n, err := pieces(e.Lines, id)
				if err != nil {
					return err
				}
				return projections.AddTo(&p.Stock, n)
			}),
		projections.UpdateEach(
			func(e contract.OrderPaid, _ projections.Meta) []string { return orderProducts(e.Lines) },
			func(p *Product, id string, e contract.OrderPaid, _ projections.Meta) error {
				for _, l := range e.Lines {
					if l.ProductID == id {
						if err := projections.AddTo(&p.Sold, l.Quantity); err != nil {
							return err
						}
					}
				}
				return nil
			}),
	},
}

func stockProducts(lines []contract.StockLine) []string {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.ProductID
	}
	return ids
}

func orderProducts(lines []contract.OrderLine) []string {
	ids := make([]string, len(lines))
	for i, l := range lines {
		ids[i] = l.ProductID
	}
	return ids
}

func pieces(lines []contract.StockLine, product string) (n int, err error) {
	for _, l := range lines {
		if l.ProductID == product {
			if err := projections.AddTo(&n, l.Quantity); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}
