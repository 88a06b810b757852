// Package catalog is the bounded context of what is on sale: products, their prices,
// and how many pieces there are. It answers the orders' question for their pieces.
//
// A cancelled order's pieces go back. Should the cancellation be seen before the
// question, the order is barred, and the question finds nothing to take.
package catalog

// Name is the service's name in addresses; its schema and role are shop_catalog.
const Name = "catalog"
