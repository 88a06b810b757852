package shop

import (
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// PriceChangeFact is one change of a product's price. The two prices have a currency
// each, since a change may be one of currency.
type PriceChangeFact struct {
	ProductID   string    `fact:"product_id,order" doc:"the product"`
	Old         int64     `fact:"old" doc:"the price before, in minor units (cents) of old_currency"`
	OldCurrency string    `fact:"old_currency,low" doc:"ISO 4217 code of the price before"`
	New         int64     `fact:"new" doc:"the price from now on, in minor units (cents) of currency"`
	Currency    string    `fact:"currency,low" doc:"ISO 4217 code of the price from now on"`
	At          time.Time `fact:"at,time" doc:"when it changed, UTC"`
}

// PriceChanges has a row for every change of a price; prices at which products came
// on sale are not changes.
var PriceChanges = projections.Fact[PriceChangeFact]{
	Name: "price_changes", Version: 1,
	Doc: "Changes of products' prices.",
	Handlers: []projections.FactHandler[PriceChangeFact]{
		projections.Append(func(e contract.ProductPriceChanged, m projections.Meta) ([]PriceChangeFact, error) {
			return []PriceChangeFact{{
				ProductID: e.ProductID, Old: e.Old.Amount, OldCurrency: e.Old.Currency,
				New: e.New.Amount, Currency: e.New.Currency, At: m.Time,
			}}, nil
		}),
	},
}
