package shop_test

import (
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/shop"
)

// ClickHouse itself decides whether a report's SQL is right: the shop's are, and SQL, tables
// and columns that are not are found before anybody asks for the report.
func TestReportsAreCheckedAgainstClickHouse(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	options, err := clickhouse.ParseDSN(m.ch.ReaderURL())
	if err != nil {
		t.Fatal(err)
	}
	options.Auth.Database = cold.MartDatabase(m.ch.Database)
	reader, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	reports := queryapi.NewCold(reader, nil, "UTC")
	good := shop.Definition(m.set).Reports
	for i := range good {
		if err := reports.CheckReport(t.Context(), &good[i]); err != nil {
			t.Error(err)
		}
	}
	change := func(name string, f func(r *queryapi.Report)) *queryapi.Report {
		r := good[0]
		r.Name = name
		r.Columns = append([]queryapi.ReportColumn(nil), r.Columns...)
		f(&r)
		return &r
	}
	for want, r := range map[string]*queryapi.Report{
		"does not take its SQL": change("a", func(r *queryapi.Report) { r.SQL = strings.Replace(r.SQL, "currency", "curency", 1) }),
		"no_such_table":         change("b", func(r *queryapi.Report) { r.SQL = strings.Replace(r.SQL, "from order_lines", "from no_such_table", 1) }),
		"is of the type Int64":  change("c", func(r *queryapi.Report) { r.Columns[2].Kind = projections.Text }),
		"it declares":           change("d", func(r *queryapi.Report) { r.Columns = r.Columns[:2] }),
	} {
		err := reports.CheckReport(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "report "+r.Name) {
			t.Errorf("%v, want the report's name and %q", err, want)
		}
	}
}
