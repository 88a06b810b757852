package shop

import (
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

// Sales are the lines of paid orders, at the prices of the moment of ordering. Amounts
// are minor units and stand per currency: no row adds two currencies.

// period are the arguments of every report.
var period = []queryapi.Arg{
	{Name: "from", Kind: projections.Time, Doc: "The first moment that counts."},
	{Name: "to", Kind: projections.Time, Doc: "The first moment that does not count any more."},
}

const (
	paidInPeriod = `
  from order_lines
 where step = 'paid' and at >= {from:DateTime64(6,'UTC')} and at < {to:DateTime64(6,'UTC')}`

	// Wide, since a product of two 64-bit numbers takes 128 bits, and a sum of such more:
	// in narrower ones ClickHouse goes on below zero without a word.
	sums = `toInt64(uniqExact(order_id)), sum(toInt128(quantity)), sum(toInt256(quantity) * unit_price)`
)

var orders = queryapi.ReportColumn{Name: "orders", Kind: projections.Int64, Doc: "Paid orders."}
var pieces = queryapi.ReportColumn{Name: "pieces", Kind: projections.Int64, Doc: "Pieces sold."}
var revenue = queryapi.ReportColumn{Name: "revenueMinor", Kind: projections.Int64, Doc: "Revenue in minor units of the currency."}
var currency = queryapi.ReportColumn{Name: "currency", Kind: projections.Text, Doc: "ISO 4217."}

// sales is the report of sales by one text.
func sales(name, doc string, by queryapi.ReportColumn, expression string) queryapi.Report {
	return queryapi.Report{
		Name: name, Doc: doc, Args: period, Tables: []string{"order_lines"},
		SQL: "select " + expression + " as grouped, currency, " + sums + paidInPeriod + `
 group by grouped, currency
 order by grouped, currency
 limit {rows_max:UInt64}`,
		Columns: []queryapi.ReportColumn{by, currency, orders, pieces, revenue},
	}
}

// SalesByMonth cuts months in the time zone of reports.
var SalesByMonth = sales("salesByMonth", "Sales per month and currency. Months are those of the answer's timeZone.",
	queryapi.ReportColumn{Name: "month", Kind: projections.Text, Doc: "2026-11."},
	`formatDateTime(at, '%Y-%m', {time_zone:String})`)

// SalesByCategory is by the category that the product had when it was ordered.
var SalesByCategory = sales("salesByCategory", "Sales per category and currency.",
	queryapi.ReportColumn{Name: "category", Kind: projections.Text, Doc: "The product's category when it was ordered."},
	`toString(category)`)

// SalesByCountry is by the country that the order was sold to.
var SalesByCountry = sales("salesByCountry", "Sales per country and currency.",
	queryapi.ReportColumn{Name: "country", Kind: projections.Text, Doc: "ISO 3166-1 alpha-2."},
	`toString(country)`)

// TopProducts are the products that sold most pieces.
var TopProducts = queryapi.Report{
	Name: "topProducts", Doc: "The products that sold most pieces, per currency.", Tables: []string{"order_lines"},
	Args: append([]queryapi.Arg{{Name: "first", Kind: projections.Int32, Default: 10, Doc: "How many rows, at most 200."}}, period...),
	SQL: "select product_id, toString(any(category)), currency, " + sums + ` as revenue` + paidInPeriod + `
 group by product_id, currency
 order by sum(toInt128(quantity)) desc, revenue desc, product_id
 limit least(toUInt64({first:UInt32}), {rows_max:UInt64})`,
	Columns: []queryapi.ReportColumn{
		{Name: "productId", Kind: projections.Text, Doc: "The product."},
		{Name: "category", Kind: projections.Text, Doc: "One of its categories when it was ordered."},
		currency, orders, pieces, revenue,
	},
	RowsMax: 200,
}
