package shop_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/wire"
	"github.com/readside/readside/writemodels/contract"
)

const homeQuery = `query home($user: ID!) {
	home(userId: $user) {
		account { name orderCount }
		basket { buyerName pieces lines { productName quantity unitPrice { amount currency } } }
		latestOrders { nodes { id status paymentMethod totalMinor currency lines { productName quantity } } }
		openOrders(first: 1) { nodes { orderId status } pageInfo { hasNextPage } }
	}
}`

type (
	object = map[string]any
	list   = []any
)

// Home shows data of identity, basket, catalog, ordering and payment, in one round
// trip on a warm connection.
func TestHomeIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	var counter wire.Counter
	a := m.api("UTC", &counter)
	user := map[string]any{"user": "c1"}
	ask(t, a, homeQuery, user)
	counter.Take()
	got := ask(t, a, homeQuery, user)
	if n := counter.Take(); n != 1 {
		t.Errorf("home took %d round trips, want 1", n)
	}
	order := func(id, product string, quantity, total float64, currency string) object {
		return object{"id": id, "status": "paid", "paymentMethod": "invoice", "totalMinor": total, "currency": currency,
			"lines": list{object{"productName": product, "quantity": quantity}}}
	}
	want := object{"home": object{
		"account": object{"name": "Zoë", "orderCount": 2.0},
		"basket": object{"buyerName": "Zoë", "pieces": 3.0, "lines": list{
			object{"productName": "Lamp", "quantity": 3.0, "unitPrice": object{"amount": 4000.0, "currency": "EUR"}}}},
		"latestOrders": object{"nodes": list{order("o2", "Lamp", 1, 3000, "GBP"), order("o1", "Kettle", 2, 5000, "EUR")}},
		"openOrders":   object{"nodes": list{object{"orderId": "o1", "status": "paid"}}, "pageInfo": object{"hasNextPage": true}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Months are those of the report's time zone, and no row adds two currencies.
func TestReports(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	var counter wire.Counter
	row := func(name, value, currency string, orders, pieces, revenue float64) object {
		return object{name: value, "currency": currency, "orders": orders, "pieces": pieces, "revenueMinor": revenue}
	}
	const query = `query ($from: Time!, $to: Time!) {
		salesByMonth(from: $from, to: $to) { timeZone truncated rows { month currency orders pieces revenueMinor } freshness { table state } }
		salesByCategory(from: $from, to: $to) { rows { category currency orders pieces revenueMinor } }
		salesByCountry(from: $from, to: $to) { rows { country currency orders pieces revenueMinor } }
		topProducts(from: $from, to: $to, first: 1) { rows { productId currency pieces } }
		order(id: "o1") { status }
	}`
	year := map[string]any{"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
	for zone, months := range map[string][2]string{"UTC": {"2026-03", "2026-03"}, "Europe/Berlin": {"2026-03", "2026-04"}} {
		got := ask(t, m.api(zone, &counter), query, year)
		state := got["salesByMonth"].(object)["freshness"].(list)[0].(object)["state"]
		want := object{
			"salesByMonth": object{"timeZone": zone, "truncated": false, "freshness": list{object{"table": "order_lines", "state": state}},
				"rows": list{row("month", months[0], "EUR", 1, 2, 5000), row("month", months[1], "GBP", 1, 1, 3000)}},
			"salesByCategory": object{"rows": list{row("category", "kitchen", "EUR", 1, 2, 5000), row("category", "light", "GBP", 1, 1, 3000)}},
			"salesByCountry":  object{"rows": list{row("country", "DE", "EUR", 1, 2, 5000), row("country", "DE", "GBP", 1, 1, 3000)}},
			"topProducts":     object{"rows": list{object{"productId": "p1", "currency": "EUR", "pieces": 2.0}}},
			"order":           object{"status": "paid"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", zone, diff)
		}
	}
	got := ask(t, m.api("UTC", &counter), query, map[string]any{"from": "2026-03-31T22:30:00Z", "to": "2026-03-31T22:30:00.000001Z"})
	if rows := got["salesByMonth"].(object)["rows"].(list); len(rows) != 1 || rows[0].(object)["currency"] != "GBP" {
		t.Errorf("from is not the first moment that counts: %v", rows)
	}
}

// A report whose tables are not there yet says so.
func TestReportsBeforeTheFirstWatermark(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	var counter wire.Counter
	answer := m.api("UTC", &counter).Do(t.Context(), queryapi.Request{
		Query: `{ topProducts(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z") { truncated } }`})
	if len(answer.Errors) != 1 || answer.Errors[0].Code() != "VIEW_NOT_READY" {
		t.Errorf("answers %v", answer.Errors)
	}
}

// A token is reached when the reports of the answer contain it too.
func TestATokenIsReachedByReportsToo(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	token := m.happened("product-p3", monthEnd, contract.ProductAdded{ProductID: "p3", Name: "Cup", Brand: "B", Category: "kitchen", Price: contract.Money{Amount: 900, Currency: "EUR"}, Stock: 1})
	m.foldViews(token)
	var counter wire.Counter
	a := m.api("UTC", &counter)
	const report, row = `topProducts(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z") { truncated }`, `product(id: "p3") { name }`
	reached := func(query string) any {
		t.Helper()
		ms := 0
		answer := a.Do(t.Context(), queryapi.Request{Query: "{" + query + "}", Extensions: queryapi.Extensions{Position: token.String(), WaitMs: &ms}})
		if len(answer.Errors) > 0 {
			t.Fatal(answer.Errors)
		}
		data, err := json.Marshal(answer.Extensions["freshness"])
		if err != nil {
			t.Fatal(err)
		}
		var f object
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		return f["reached"]
	}
	for query, want := range map[string]bool{row: true, report: false, row + report: false} {
		if got := reached(query); got != want {
			t.Errorf("before the facts are written, %s: reached is %v, want %v", query, got, want)
		}
	}
	m.writeFacts(token)
	for _, query := range []string{report, row + report} {
		if got := reached(query); got != true {
			t.Errorf("after the facts are written, %s: reached is %v", query, got)
		}
	}
	foreign := eventlog.NewPosition(uuid.New(), 1, 1).String()
	answer := a.Do(t.Context(), queryapi.Request{Query: "{" + report + "}", Extensions: queryapi.Extensions{Position: foreign}})
	if len(answer.Errors) != 1 || answer.Errors[0].Code() != "FOREIGN_POSITION" {
		t.Errorf("a token of another log: %v", answer.Errors)
	}
}

// An argument that the report's SQL cannot take is the client's fault, and no store's.
func TestAReportRefusesABadArgument(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	var counter wire.Counter
	answer := m.api("UTC", &counter).Do(t.Context(), queryapi.Request{
		Query: `{ topProducts(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z", first: -1) { truncated } }`})
	if len(answer.Errors) != 1 || answer.Errors[0].Code() != "BAD_VARIABLES" {
		t.Errorf("answers %v", answer.Errors)
	}
}

// What a time looks like is said to who sends another text.
func TestABadTimeIsToldHowTimesAreWritten(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	var counter wire.Counter
	answer := m.api("UTC", &counter).Do(t.Context(), queryapi.Request{
		Query:     `query sales($from: Time!) { salesByMonth(from: $from, to: "2027-01-01T00:00:00Z") { timeZone } }`,
		Variables: map[string]any{"from": "2026-01-01"},
	})
	if len(answer.Errors) != 1 || !strings.Contains(fmt.Sprint(answer.Errors[0].Extensions["hint"]), "RFC 3339") {
		t.Errorf("answers %+v", answer.Errors)
	}
}

// A report shows whether anybody writes its facts on.
func TestAReportOfADeadProjectorIsStalled(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	var counter wire.Counter
	a := m.api("UTC", &counter)
	state := func() any {
		report := ask(t, a, `{ topProducts(from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z") { freshness { state } } }`, nil)["topProducts"].(object)
		return report["freshness"].(list)[0].(object)["state"]
	}
	// The server ends the session of the worker that has ended, and with it the lock, in its
	// own time.
	got := state()
	for late := time.Now().Add(time.Minute); got != "STALLED" && time.Now().Before(late); got = state() {
		continue
	}
	if got != "STALLED" {
		t.Errorf("nobody works for it: %v", got)
	}
	works := m.db.Role(m.t, "readside_projector")
	conn, err := works.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `select pg_advisory_lock(hashtextextended('readside.cold:' || name, 0)) from readside.cold_checkpoint`); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != "LIVE" && got != "CATCHING_UP" {
		t.Errorf("its lock is held: %v", got)
	}
	if _, err := conn.Exec(t.Context(), `select pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
}
