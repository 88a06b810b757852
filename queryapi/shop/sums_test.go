package shop_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/queryapi/shop"
	"github.com/readside/readside/queryapi/wire"
	"github.com/readside/readside/writemodels/contract"

	views "github.com/readside/readside/projections/shop"
)

// narrowSum is a sum of what was not made wide first.
var narrowSum = regexp.MustCompile(`(?i)\b(?:sum\w*|avg\w*)\(\s*(\w+)`)

// Every sum that we write or recommend is of wide numbers: ClickHouse adds 64-bit numbers in
// 64 bits, and goes on below zero without a word.
func TestEverySumIsWide(t *testing.T) {
	t.Parallel()
	set, err := views.Set()
	if err != nil {
		t.Fatal(err)
	}
	texts := readmeBlocks(t, "sql")
	for _, r := range shop.Definition(set).Reports {
		texts = append(texts, r.SQL)
	}
	sums := 0
	for _, text := range texts {
		for _, sum := range narrowSum.FindAllStringSubmatch(text, -1) {
			sums++
			if wide := sum[1]; wide != "toInt128" && wide != "toInt256" {
				t.Errorf("%s adds up in 64 bits: begin with toInt128 or, for products, toInt256, in\n%s", sum[0], text)
			}
		}
	}
	if sums < 10 {
		t.Errorf("the test found %d sums", sums)
	}
}

// Revenue beyond 64 bits is exact, in the reports and in the README's questions.
func TestSumsBeyond64Bits(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	home := contract.Address{Street: "Long Lane 1", City: "Ulm", PostalCode: "89073", Country: "DE"}
	m.happened("customer-c1", monthEnd, contract.CustomerRegistered{CustomerID: "c1", Name: "Zoë", Email: "zoe@example.org", Address: home})
	line := contract.OrderLine{ProductID: "p1", Category: "kitchen", Quantity: 1, UnitPrice: contract.Money{Amount: 5_000_000_000_000_000_000, Currency: "EUR"}}
	m.sells("o1", "c1", home, monthEnd.Add(-time.Hour), line)
	m.sells("o2", "c1", home, monthEnd.Add(-time.Hour), line)
	m.writeFacts(m.sells("o3", "c1", home, monthEnd.Add(-time.Hour), line))
	const revenue = "15000000000000000000"
	var counter wire.Counter
	a := m.api("UTC", &counter)
	got := ask(t, a, `{ salesByCategory(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z") { rows { pieces revenueMinor } freshness { parked } } }`, nil)
	row := got["salesByCategory"].(object)["rows"].(list)[0].(object)
	if row["revenueMinor"] != revenue || row["pieces"] != 3.0 {
		t.Errorf("the report answers %v, want a revenue of %s", row, revenue)
	}
	for _, i := range []int{0, 2} {
		question := readmeBlocks(t, "sql")[i]
		if said := strings.Join(m.question(m.inMart(question)), "\n"); !strings.Contains(said, revenue) {
			t.Errorf("%sanswers %s, want a revenue of %s", question, said, revenue)
		}
	}
}

// A report tells how many events its facts lack.
func TestAReportTellsOfParkedFacts(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	_, err := m.db.Pool.Exec(t.Context(), `insert into readside.cold_parked (projector, generation, fact, place, stream, event_type, state, reason, error, hint)
select c.name, c.shown_generation, 'order_lines', s.place, 's', 't', s.state, 'handler', 'e', 'h' from readside.cold_checkpoint c,
(values (1, 'parked'), (2, 'retrying'), (3, 'discarded')) s (place, state)`)
	if err != nil {
		t.Fatal(err)
	}
	var counter wire.Counter
	got := ask(t, m.api("UTC", &counter), `{ topProducts(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z") { freshness { table parked } } }`, nil)
	mark := got["topProducts"].(object)["freshness"].(list)[0].(object)
	if mark["table"] != "order_lines" || mark["parked"] != 2.0 {
		t.Errorf("the report's freshness is %v, want 2 parked events", mark)
	}
}
