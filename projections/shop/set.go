package shop

import (
	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/upcasters"
)

// Application is the name that the shop's stores are recorded under.
const Application = "shop"

// Set is all views and facts of the shop.
func Set() (*projections.Set, error) {
	lift, err := upcasters.New()
	if err != nil {
		return nil, err
	}
	return projections.NewSet(
		projections.Upcasters(lift),
		&Customers, &Products, &Orders, &Baskets, &Accounts, &Fulfilments,
		&OrderLines, &Payments, &PriceChanges, &BasketEvents,
	)
}
