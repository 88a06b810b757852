package shop

import (
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/writemodels/contract"
)

// Customer is who buys: the profile that identity owns.
type Customer struct {
	ID           string    `view:"id,key"`
	Name         string    `view:"name,order"`
	Email        string    `view:"email,index"`
	Street       string    `view:"street"`
	City         string    `view:"city"`
	PostalCode   string    `view:"postal_code"`
	Country      string    `view:"country,index"`
	RegisteredAt time.Time `view:"registered_at,order"`
}

// Customers follows identity's events.
var Customers = projections.View[Customer]{
	Name: "customer", Version: 1,
	Doc: "Who buys: the profile that identity owns.",
	Handlers: []projections.Handler[Customer]{
		projections.Create(
			func(e contract.CustomerRegistered) string { return e.CustomerID },
			func(c *Customer, e contract.CustomerRegistered, m projections.Meta) error {
				c.Name, c.Email, c.RegisteredAt = e.Name, e.Email, m.Time
				c.moveTo(e.Address)
				return nil
			}),
		projections.Update(
			func(e contract.CustomerRenamed) string { return e.CustomerID },
			func(c *Customer, e contract.CustomerRenamed, _ projections.Meta) error {
				c.Name = e.Name
				return nil
			}),
		projections.Update(
			func(e contract.CustomerAddressChanged) string { return e.CustomerID },
			func(c *Customer, e contract.CustomerAddressChanged, _ projections.Meta) error {
				c.moveTo(e.Address)
				return nil
			}),
	},
}

func (c *Customer) moveTo(a contract.Address) {
	c.Street, c.City, c.PostalCode, c.Country = a.Street, a.City, a.PostalCode, a.Country
}
