package identity

import (
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// Customer is the aggregate: one person's account. The zero Customer does not exist.
type Customer struct {
	ID      string
	Version int64
	Name    string
	Email   string
	Address contract.Address
}

func (c Customer) exists() bool { return c.Version > 0 }

// Register opens an account.
func (c Customer) Register(id, name, email string, address contract.Address) ([]contract.Event, error) {
	if c.exists() {
		return nil, command.Exists("customer", id)
	}
	return []contract.Event{contract.CustomerRegistered{CustomerID: id, Name: name, Email: email, Address: address}}, nil
}

// Rename gives the customer a new name. The name that it has already changes nothing.
func (c Customer) Rename(id, name string) ([]contract.Event, error) {
	switch {
	case !c.exists():
		return nil, command.NotFound("customer", id)
	case c.Name == name:
		return nil, nil
	}
	return []contract.Event{contract.CustomerRenamed{CustomerID: id, Name: name}}, nil
}

// Move gives the customer a new address. The address that it has already changes nothing.
func (c Customer) Move(id string, address contract.Address) ([]contract.Event, error) {
	switch {
	case !c.exists():
		return nil, command.NotFound("customer", id)
	case c.Address == address:
		return nil, nil
	}
	return []contract.Event{contract.CustomerAddressChanged{CustomerID: id, Address: address}}, nil
}

// Evolve is the customer after events.
func (c Customer) Evolve(events ...contract.Event) Customer {
	for _, event := range events {
		c.Version++
		switch e := event.(type) {
		case contract.CustomerRegistered:
			c.ID, c.Name, c.Email, c.Address = e.CustomerID, e.Name, e.Email, e.Address
		case contract.CustomerRenamed:
			c.Name = e.Name
		case contract.CustomerAddressChanged:
			c.Address = e.Address
		}
	}
	return c
}
