// Package ordering is the bounded context of orders and their way:
//
//	submitted ──grace──> awaiting_validation ──> stock_confirmed ──> paid ──> shipped
//	    │                        │      └──> stock_rejected │
//	    └────────────────────────┴───────────┬──┴───────────┘
//	                                     cancelled
//
// Every other way is refused. Answers of other services that come too late, for an
// order that was cancelled meanwhile, change nothing: catalog and payment learn of the
// cancellation and put back what they took.
package ordering

// Name is the service's name in addresses; its schema and role are shop_ordering.
const Name = "ordering"
