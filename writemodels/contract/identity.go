package contract

// CustomerRegistered opens a customer's account. Stream: customer-<id>.
type CustomerRegistered struct {
	CustomerID string  `json:"customerId"`
	Name       string  `json:"name" personal:"subject"`
	Email      string  `json:"email" personal:"subject"`
	Address    Address `json:"address"`
}

// CustomerRenamed gives a customer a new name.
type CustomerRenamed struct {
	CustomerID string `json:"customerId"`
	Name       string `json:"name" personal:"subject"`
}

// CustomerAddressChanged gives a customer a new address. Version 1 had no postal
// code and no nested address.
type CustomerAddressChanged struct {
	CustomerID string  `json:"customerId"`
	Address    Address `json:"address"`
}

func (CustomerRegistered) EventType() (string, int)     { return "identity.CustomerRegistered", 1 }
func (CustomerRenamed) EventType() (string, int)        { return "identity.CustomerRenamed", 1 }
func (CustomerAddressChanged) EventType() (string, int) { return "identity.CustomerAddressChanged", 2 }
