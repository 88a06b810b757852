package contract

// Event is what every domain event of this package is.
type Event interface {
	// EventType is the type's name, "<context>.<What>", and its current version.
	EventType() (name string, version int)
}

// All is one zero value of every event type at its current version.
func All() []Event {
	return []Event{
		CustomerRegistered{}, CustomerRenamed{}, CustomerAddressChanged{},
		ProductAdded{}, ProductRenamed{}, ProductPriceChanged{}, ProductReplenished{}, ProductDiscontinued{},
		StockConfirmed{}, StockRejected{}, StockReleased{},
		BasketItemAdded{}, BasketQuantityChanged{}, BasketItemRemoved{}, BasketCheckedOut{},
		OrderSubmitted{}, OrderAwaitingValidation{}, OrderStockConfirmed{}, OrderStockRejected{},
		OrderPaid{}, OrderShipped{}, OrderCancelled{},
		PaymentSucceeded{}, PaymentFailed{},
	}
}
