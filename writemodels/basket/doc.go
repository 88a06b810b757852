// Package basket is the bounded context of what buyers are about to order.
//
// It keeps a copy of its own of the catalog's products, fed by the catalog's events,
// so that no command waits for another service. A basket shows the present price and
// warns where it changed since the product was added; checking out takes the present one.
package basket

// Name is the service's name in addresses; its schema and role are shop_basket.
const Name = "basket"
