package contract

// PaymentSucceeded is published when an order's money has come. Stream: payment-<order id>.
type PaymentSucceeded struct {
	PaymentID string `json:"paymentId"`
	OrderID   string `json:"orderId"`
	BuyerID   string `json:"buyerId"`
	Amount    Money  `json:"amount"`
	Method    string `json:"method"`
}

// PaymentFailed says why an order's money has not come.
type PaymentFailed struct {
	PaymentID string `json:"paymentId"`
	OrderID   string `json:"orderId"`
	BuyerID   string `json:"buyerId"`
	Amount    Money  `json:"amount"`
	Method    string `json:"method"`
	Reason    string `json:"reason"`
}

func (PaymentSucceeded) EventType() (string, int) { return "payment.Succeeded", 1 }
func (PaymentFailed) EventType() (string, int)    { return "payment.Failed", 1 }
