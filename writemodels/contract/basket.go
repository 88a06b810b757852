package contract

// BasketItemAdded puts pieces of a product into a buyer's basket, on top of those
// already there. Stream: basket-<buyer id>.
type BasketItemAdded struct {
	BuyerID   string `json:"buyerId"`
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
	// UnitPrice is the price when it was added; the basket warns when it has changed since.
	UnitPrice Money `json:"unitPrice"`
}

// BasketQuantityChanged sets how many pieces of a product a basket holds; at least one.
type BasketQuantityChanged struct {
	BuyerID   string `json:"buyerId"`
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
}

// BasketItemRemoved takes a product out of a basket.
type BasketItemRemoved struct {
	BuyerID   string `json:"buyerId"`
	ProductID string `json:"productId"`
}

// BasketCheckedOut empties a basket into an order.
type BasketCheckedOut struct {
	BuyerID string        `json:"buyerId"`
	OrderID string        `json:"orderId"`
	Lines   []OrderLine   `json:"lines"`
	ShipTo  Address       `json:"shipTo"`
	Payment PaymentMethod `json:"payment"`
}

// PaymentMethod says how the buyer pays.
type PaymentMethod struct {
	// Kind is "card" or "invoice".
	Kind string `json:"kind"`
	// CardExpires is the last month in which the card is good, "2027-04"; empty for an invoice.
	CardExpires string `json:"cardExpires"`
}

func (BasketItemAdded) EventType() (string, int)       { return "basket.ItemAdded", 1 }
func (BasketQuantityChanged) EventType() (string, int) { return "basket.QuantityChanged", 1 }
func (BasketItemRemoved) EventType() (string, int)     { return "basket.ItemRemoved", 1 }
func (BasketCheckedOut) EventType() (string, int)      { return "basket.CheckedOut", 1 }
