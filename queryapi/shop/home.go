package shop

import (
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

// Home is what a mobile home screen shows: data that identity, basket, catalog,
// ordering and payment own, in one round trip.
var Home = queryapi.Screen{
	Name: "home",
	Doc:  "A customer's home screen: profile, basket, latest orders and what is still on its way.",
	Args: []queryapi.Arg{{Name: "userId", Kind: projections.Text, Doc: "The customer's id."}},
	Parts: []queryapi.Part{
		{Name: "account", View: "account", Key: "userId", Doc: "Profile, order count and lifetime value."},
		{Name: "basket", View: "basket", Key: "userId", Doc: "The basket with current prices and warnings."},
		{Name: "latestOrders", View: "order", Doc: "The customer's orders, the latest first.", List: &queryapi.List{
			Where: []queryapi.Where{{Column: "buyer_id", Arg: "userId"}}, OrderBy: "SUBMITTED_AT_DESC", First: 5}},
		{Name: "openOrders", View: "fulfilment", Doc: "Orders that have not been shipped, the oldest first.", List: &queryapi.List{
			Where: []queryapi.Where{{Column: "buyer_id", Arg: "userId"}}, OrderBy: "SUBMITTED_AT_ASC", First: 10}},
	},
}
