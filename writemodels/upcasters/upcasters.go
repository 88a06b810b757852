// Package upcasters lifts old versions of the shop's events to the present ones, for
// every reader of the log: services, projectors, checks.
package upcasters

import (
	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/writemodels/contract"
)

// New is the registry of all upcasters of the contract.
func New() (*eventlog.Upcasters, error) {
	return eventlog.NewUpcasters(
		eventlog.Upcast(contract.ProductPriceChangedV1.Upcast),
		eventlog.Upcast(contract.CustomerAddressChangedV1.Upcast),
	)
}
