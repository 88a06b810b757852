package contract

// ProductPriceChangedV1 is version 1 of ProductPriceChanged: minor units of an implied euro.
type ProductPriceChangedV1 struct {
	ProductID     string `json:"productId"`
	OldPriceMinor int64  `json:"oldPriceMinor"`
	NewPriceMinor int64  `json:"newPriceMinor"`
}

// CustomerAddressChangedV1 is version 1 of CustomerAddressChanged: flat, without a postal code.
type CustomerAddressChangedV1 struct {
	CustomerID string `json:"customerId"`
	Street     string `json:"street" personal:"subject"`
	City       string `json:"city" personal:"subject"`
	Country    string `json:"country"`
}

func (ProductPriceChangedV1) EventType() (string, int) { return "catalog.ProductPriceChanged", 1 }
func (CustomerAddressChangedV1) EventType() (string, int) {
	return "identity.CustomerAddressChanged", 1
}

// Upcast lifts version 1 to version 2: the currency that was implied is written down.
func (e ProductPriceChangedV1) Upcast() ProductPriceChanged {
	return ProductPriceChanged{
		ProductID: e.ProductID,
		Old:       Money{e.OldPriceMinor, "EUR"},
		New:       Money{e.NewPriceMinor, "EUR"},
	}
}

// Upcast lifts version 1 to version 2: the postal code was not asked for then.
func (e CustomerAddressChangedV1) Upcast() CustomerAddressChanged {
	return CustomerAddressChanged{
		CustomerID: e.CustomerID,
		Address:    Address{Street: e.Street, City: e.City, Country: e.Country},
	}
}
