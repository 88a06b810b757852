// Package shop is the reference shop's part of the query API: its composite screens
// and its reports. Views need nothing here; they are served by their definitions.
package shop

import (
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

// Definition is what the shop's API serves, over the views of set.
func Definition(set *projections.Set) queryapi.Definition {
	return queryapi.Definition{
		Set:     set,
		Screens: []queryapi.Screen{Home},
		Reports: []queryapi.Report{SalesByMonth, SalesByCategory, SalesByCountry, TopProducts},
	}
}
