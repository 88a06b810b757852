package contract

// OrderLine is a product in an order at the price of the moment of ordering.
type OrderLine struct {
	ProductID string `json:"productId"`
	Category  string `json:"category"`
	Quantity  int    `json:"quantity"`
	UnitPrice Money  `json:"unitPrice"`
}

// OrderSubmitted opens an order. Stream: order-<id>.
type OrderSubmitted struct {
	OrderID string        `json:"orderId"`
	BuyerID string        `json:"buyerId"`
	Lines   []OrderLine   `json:"lines"`
	Total   Money         `json:"total"`
	ShipTo  Address       `json:"shipTo"`
	Payment PaymentMethod `json:"payment"`
}

// OrderAwaitingValidation is published when the grace period, in which the buyer may think
// again, is over: the catalog is asked for the pieces.
type OrderAwaitingValidation struct {
	OrderID string      `json:"orderId"`
	BuyerID string      `json:"buyerId"`
	Lines   []StockLine `json:"lines"`
}

// OrderStockConfirmed is published when the order's pieces are there: payment is asked for the money.
type OrderStockConfirmed struct {
	OrderID string        `json:"orderId"`
	BuyerID string        `json:"buyerId"`
	Total   Money         `json:"total"`
	Payment PaymentMethod `json:"payment"`
}

// OrderStockRejected says which pieces were missing.
type OrderStockRejected struct {
	OrderID string        `json:"orderId"`
	BuyerID string        `json:"buyerId"`
	Missing []MissingLine `json:"missing"`
}

// OrderPaid is published when an order is paid: its lines are sold.
type OrderPaid struct {
	OrderID   string      `json:"orderId"`
	BuyerID   string      `json:"buyerId"`
	PaymentID string      `json:"paymentId"`
	Lines     []OrderLine `json:"lines"`
	Total     Money       `json:"total"`
	// Country is the ISO 3166-1 alpha-2 code of the country it is sold to.
	Country string `json:"country"`
}

// OrderShipped is published when an order's parcel is on its way.
type OrderShipped struct {
	OrderID        string `json:"orderId"`
	BuyerID        string `json:"buyerId"`
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
}

// OrderCancelled ends an order that was not paid.
type OrderCancelled struct {
	OrderID string `json:"orderId"`
	BuyerID string `json:"buyerId"`
	Reason  string `json:"reason"`
	Total   Money  `json:"total"`
}

func (OrderSubmitted) EventType() (string, int) { return "ordering.OrderSubmitted", 1 }
func (OrderAwaitingValidation) EventType() (string, int) {
	return "ordering.OrderAwaitingValidation", 1
}
func (OrderStockConfirmed) EventType() (string, int) { return "ordering.OrderStockConfirmed", 1 }
func (OrderStockRejected) EventType() (string, int)  { return "ordering.OrderStockRejected", 1 }
func (OrderPaid) EventType() (string, int)           { return "ordering.OrderPaid", 1 }
func (OrderShipped) EventType() (string, int)        { return "ordering.OrderShipped", 1 }
func (OrderCancelled) EventType() (string, int)      { return "ordering.OrderCancelled", 1 }
