// Package payment is the bounded context of the orders' money. It takes no commands:
// an order whose pieces are there asks for it by its event.
//
// No money is taken for an order that was cancelled before payment heard of its
// question. A cancellation can still fall between the taking and ordering's hearing
// of it; both then stand in the log, ordering leaves the order cancelled, and payment,
// hearing of the cancellation, gives the money back: PaymentFailed follows
// PaymentSucceeded in the payment's stream. What stays is the time until it learns of it:
// that long the money of a cancelled order is held.
package payment

// Name is the service's name; its schema and role are shop_payment.
const Name = "payment"
