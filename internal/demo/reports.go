package demo

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// reportsQuery asks for two reports over the facts in ClickHouse.
const reportsQuery = `query Reports($from: Time!, $to: Time!) {
  salesByMonth(from: $from, to: $to) { timeZone rows { month currency orders pieces revenueMinor } }
  topProducts(from: $from, to: $to, first: 5) { rows { productId category currency orders pieces revenueMinor } }
}`

// reports is reportsQuery's answer.
type reports struct {
	SalesByMonth struct {
		TimeZone string
		Rows     []struct {
			Month string
			sold
		}
	}
	TopProducts struct {
		Rows []struct {
			ProductID, Category string
			sold
		}
	}
}

// sold is what every report counts.
type sold struct {
	Currency     string
	Orders       int64
	Pieces       int64
	RevenueMinor int64
}

// reportedTime is what the reports look back on.
const reportedTime = 365 * 24 * time.Hour

// showReports asks for the reports and prints them as tables.
func showReports(ctx context.Context, out io.Writer, url string, now time.Time) error {
	var answer reports
	err := ask(ctx, url, reportsQuery, map[string]any{
		"from": now.Add(-reportedTime).UTC().Format(time.RFC3339), "to": now.Add(24 * time.Hour).UTC().Format(time.RFC3339),
	}, &answer)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nsalesByMonth (%s)\tCURRENCY\tORDERS\tPIECES\tREVENUE\n", answer.SalesByMonth.TimeZone)
	for _, r := range answer.SalesByMonth.Rows {
		fmt.Fprintf(t, "%s\t%s\n", r.Month, r.cells())
	}
	_ = t.Flush() // its errors are those of out, which says so by itself
	fmt.Fprintf(t, "\ntopProducts\tCATEGORY\tCURRENCY\tORDERS\tPIECES\tREVENUE\n")
	for _, r := range answer.TopProducts.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.ProductID, r.Category, r.cells())
	}
	_ = t.Flush()
	return nil
}

func (s sold) cells() string {
	return fmt.Sprintf("%s\t%s\t%s\t%s", s.Currency, thousands(s.Orders), thousands(s.Pieces), money{s.RevenueMinor, s.Currency})
}
