// Package contract holds the shop's published domain events: what each bounded
// context tells the others, and nothing of how it works inside.
//
// The events are plain structs over the standard library. EventType names the
// type and its current version; older versions stand in history.go with the
// pure functions that lift them. Fields that carry personal data are tagged
// `personal:"subject"`; the customer they belong to is the event's personid.
//
// Money is int64 minor units with an ISO 4217 currency. When something happened
// is the envelope's time, so events carry no time of their own.
package contract

// Address is where parcels go.
type Address struct {
	Street     string `json:"street" personal:"subject"`
	City       string `json:"city" personal:"subject"`
	PostalCode string `json:"postalCode" personal:"subject"`
	// Country is an ISO 3166-1 alpha-2 code. Alone it names nobody, so reports may keep it.
	Country string `json:"country"`
}
