package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/dbtest"
)

// casesDir holds the inputs of the cases: small files that broke other systems, or this one.
const casesDir = "../../testdata/cases"

// caseRun is one running shop that cases are tried on.
type caseRun struct {
	db  *dbtest.DB
	gql string // address of GraphQL
	api string // address of the commands
}

// TestCases tries the inputs that failed when the product was tried from outside, and
// those of public reports about other systems. Each subtest is a case; its name begins
// with the number of its file in testdata/cases.
func TestCases(t *testing.T) {
	c := newCaseRun(t)
	for _, one := range []struct {
		name, says string
		try        func(*testing.T, *caseRun)
	}{
		{"b01", "a condition whose variable is null matches nothing", nullInFilter},
		{"b02", "after: null is valid GraphQL", nullLiteral},
		{"b04", "comments of many bytes and a byte order mark are passed over", commentBytes},
		{"b05", "a CloudEvents attribute that is null is unset", nullAttribute},
		{"b07", "gaps, strangers' transactions and an orphaned prepared transaction", heldBack},
		{"b08", "a log restored by export and import: the shop works", restoreByImport},
		{"b11", "first: 0 is an empty page", firstZero},
		{"b12", "made-up cursors are refused or have no rows behind them", tamperedCursors},
		{"b15", "six checkouts of one basket at once are one order", checkoutTwice},
		{"b17", "old events that came just now are young", ageOfHistory},
		{"b20", "CRLF is read, and so is or is named a byte order mark", bomAndCRLF},
		{"b26", "the source and id of an event name no other", idReused},
		{"b27", "CloudEvents oddities are read or refused with their reason", cloudEventsOddities},
		{"b28", "months in Berlin's time", monthsInBerlin},
		{"b29", "numbers at their bounds", numbers},
		{"b10", "an event of the year one stops no fact", yearOne},
	} {
		t.Run(one.name, func(t *testing.T) {
			one.try(t, c)
			if !t.Failed() {
				t.Logf("case %s: PASS %s", one.name, one.says)
			}
		})
	}
}

func newCaseRun(t *testing.T) *caseRun {
	t.Helper()
	db, _ := useStores(t)
	t.Setenv("READSIDE_REPORT_TZ", "Europe/Berlin")
	must(t, readside.ExitOK, "migrate", "up")
	shop, _, query := start(t, "shop"), start(t, "project"), start(t, "serve")
	c := &caseRun{db: db, gql: query.logged(t, "url"), api: strings.TrimSuffix(shop.logged(t, "address"), "/")}
	c.caughtUp(t)
	return c
}

// caughtUp waits until views and facts have folded all that is in the log now.
func (c *caseRun) caughtUp(t *testing.T) {
	t.Helper()
	const views = 6
	for deadline := time.Now().Add(testWait); ; {
		r := statusNow(t)
		if len(r.Views) == views && r.CaughtUp() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("views and facts have not caught up:\n%s", must(t, readside.ExitOK, "status").out)
		}
	}
}

// eventually waits for a condition, within testWait.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testWait); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain until %s", testWait, what)
		}
	}
}

func caseFile(name string) string { return filepath.Join(casesDir, name) }

func (c *caseRun) imported(t *testing.T, name string) outcome {
	t.Helper()
	o := run(t, "events", "import", caseFile(name))
	c.caughtUp(t)
	return o
}

// ask sends a GraphQL request and returns its whole answer.
func (c *caseRun) ask(t *testing.T, query string, variables map[string]any, headers ...string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	return send(t, http.MethodPost, c.gql, body, headers...)
}

// command sends a command and returns its answer.
func (c *caseRun) command(t *testing.T, method, path, body string) string {
	t.Helper()
	return send(t, method, c.api+path, []byte(body))
}

// send returns the answer's body; headers are names and values in turn.
func send(t *testing.T, method, url string, body []byte, headers ...string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err) // not Fatal: cases send from goroutines, too
		return ""
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return string(answer)
}

func (c *caseRun) product(t *testing.T, id string) {
	t.Helper()
	c.command(t, http.MethodPost, "/catalog/products", `{"id":"`+id+`","name":"Lamp","brand":"b","category":"c","price":{"amount":100,"currency":"EUR"},"stock":100000}`)
	c.caughtUp(t)
}

const shipTo = `{"shipTo":{"street":"1 Test Road","city":"Testville","postalCode":"00000","country":"DE"},"payment":{"kind":"invoice"}}`

// checkout puts one piece into a basket, checks it out and returns the answer.
func (c *caseRun) checkout(t *testing.T, buyer, product string) string {
	t.Helper()
	c.command(t, http.MethodPost, "/basket/baskets/"+buyer+"/items", `{"items":[{"productId":"`+product+`","quantity":1}]}`)
	return c.command(t, http.MethodPost, "/basket/baskets/"+buyer+"/checkout", shipTo)
}

// orderOf is the order that a checkout's answer names.
func orderOf(t *testing.T, answer string) string {
	t.Helper()
	var order struct{ OrderID string }
	if err := json.Unmarshal([]byte(answer), &order); err != nil || order.OrderID == "" {
		t.Fatalf("no order in %s", answer)
	}
	return order.OrderID
}

// count is the number that a statement on the log's database returns.
func count(t *testing.T, db *dbtest.DB, sql string, args ...any) (n int) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const submittedOf = `select count(*) from eventlog.events where type = 'ordering.OrderSubmitted' and data->>'orderId' = $1`

// lacks fails the test where the text holds any of what is not wanted.
func lacks(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, u := range unwanted {
		if strings.Contains(text, u) {
			t.Errorf("%q in\n%s", u, text)
		}
	}
}

func nullInFilter(t *testing.T, c *caseRun) {
	c.imported(t, "b01-two-buyers.jsonl")
	contains(t, c.ask(t, `{orders(filter:{buyerId:{in:["b01-a","b01-b"]}}){nodes{buyerId}}}`, nil), "nodes")
	for _, answer := range []string{
		c.ask(t, `query($u:String){orders(filter:{buyerId:{eq:$u}}){nodes{buyerId}}}`, map[string]any{"u": nil}),
		c.ask(t, `query($u:String){orders(filter:{buyerId:{eq:$u}}){nodes{buyerId}}}`, nil),
		c.ask(t, `query($f:OrderFilter){orders(filter:$f){nodes{buyerId}}}`, map[string]any{"f": map[string]any{"buyerId": map[string]any{"in": nil}}}),
		c.ask(t, `query($f:OrderFilter){orders(filter:$f){nodes{buyerId}}}`, map[string]any{"f": map[string]any{"buyerId": nil}}),
	} {
		lacks(t, answer, "b01-")
	}
	contains(t, c.ask(t, `{orders{nodes{buyerId}}}`, nil), "b01-")
}

func nullLiteral(t *testing.T, c *caseRun) {
	lacks(t, c.ask(t, `{orders(first:1, after:null){nodes{id}}}`, nil), `"errors"`)
}

func commentBytes(t *testing.T, c *caseRun) {
	lacks(t, c.ask(t, "\ufeff# dash — and 😀\n{products(first:1){nodes{id # ünïcödé\n name}}}", nil), `"errors"`)
}

func nullAttribute(t *testing.T, c *caseRun) {
	for _, name := range []string{"b05-null-attribute.jsonl", "b05-null-extension.jsonl"} {
		o := c.imported(t, name)
		contains(t, o.out+o.err, "1 events read")
	}
}

// priceAfter waits for a command's position and asks for a product's price.
func (c *caseRun) priceAfter(t *testing.T, answer, id, wait string) string {
	t.Helper()
	var happened struct{ Position string }
	if err := json.Unmarshal([]byte(answer), &happened); err != nil || happened.Position == "" {
		t.Fatalf("no position in %s", answer)
	}
	return c.ask(t, `query($id:ID!){product(id:$id){name priceMinor}}`, map[string]any{"id": id},
		"X-Readside-Position", happened.Position, "X-Readside-Wait-Ms", wait)
}

func heldBack(t *testing.T, c *caseRun) {
	c.product(t, "b07")
	ctx := t.Context()
	if _, err := c.db.Pool.Exec(ctx, "create table public.stranger(i int)"); err != nil {
		t.Fatal(err)
	}
	stranger, err := c.db.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Exec(ctx, "insert into public.stranger values (1)"); err != nil {
		t.Fatal(err)
	}
	answer := c.command(t, http.MethodPut, "/catalog/products/b07/price", `{"price":{"amount":111,"currency":"EUR"}}`)
	contains(t, c.priceAfter(t, answer, "b07", "10000"), `"priceMinor":111`)
	if err := stranger.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	c.prepare(t, "b07", `insert into eventlog.events(source,stream,version,id,type,schema_version,time,data)
		values (current_user,'product-b07p',1,'b07-p','catalog.ProductAdded',1,now(),'{"productId":"b07p","name":"Prepared","brand":"b","category":"c","price":{"amount":5,"currency":"EUR"},"stock":3}')`)
	answer = c.command(t, http.MethodPut, "/catalog/products/b07/price", `{"price":{"amount":112,"currency":"EUR"}}`)
	contains(t, c.priceAfter(t, answer, "b07", "1000"), `"priceMinor":111`)
	contains(t, must(t, readside.ExitOK, "status").out, `prepared transaction "b07"`)
	if _, err := c.db.Pool.Exec(ctx, "commit prepared 'b07'"); err != nil {
		t.Fatal(err)
	}
	contains(t, c.priceAfter(t, answer, "b07p", "10000"), "Prepared")
}

// prepare leaves a transaction of the catalog's prepared.
func (c *caseRun) prepare(t *testing.T, name, insert string) {
	t.Helper()
	err := c.db.Pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		for _, sql := range []string{"begin", "set local role shop_catalog", insert, "reset role", "prepare transaction '" + name + "'"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func restoreByImport(t *testing.T, c *caseRun) {
	c.product(t, "b08")
	order := orderOf(t, c.checkout(t, "b08-u", "b08"))
	const paidOf = `select count(*) from eventlog.events where type = 'ordering.OrderPaid' and data->>'orderId' = $1`
	eventually(t, "the order is paid", func() bool { return count(t, c.db, paidOf, order) == 1 })
	exported := must(t, readside.ExitOK, "events", "export").out

	second := dbtest.EmptyPostgres(t)
	t.Setenv("READSIDE_POSTGRES_URL", second.URL)
	must(t, readside.ExitOK, "migrate", "up")
	if o := runWith(t, exported, "events", "import"); o.code != readside.ExitOK {
		t.Fatalf("the import: %s%s", o.out, o.err)
	}
	shop := start(t, "shop")
	other := &caseRun{db: second, api: strings.TrimSuffix(shop.logged(t, "address"), "/")}
	eventually(t, "the basket knows the imported product", func() bool {
		answer := other.command(t, http.MethodPost, "/basket/baskets/b08-new/items", `{"items":[{"productId":"b08","quantity":1}]}`)
		return strings.Contains(answer, `"position"`)
	})
	order = orderOf(t, other.command(t, http.MethodPost, "/basket/baskets/b08-new/checkout", shipTo))
	eventually(t, "the order after the restore is submitted", func() bool { return count(t, second, submittedOf, order) == 1 })
	shop.stop(t)
}

func firstZero(t *testing.T, c *caseRun) {
	contains(t, c.ask(t, `{products(first:0){nodes{id} pageInfo{hasNextPage}}}`, nil), `"nodes":[]`)
}

func tamperedCursors(t *testing.T, c *caseRun) {
	c.imported(t, "b01-two-buyers.jsonl")
	for _, at := range []string{"-9223372036854775808", "-9223372036854775000", "-210866803200000001", "abc", "", "1e3"} {
		cursor := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"v":"order_v1","o":"SUBMITTED_AT_DESC","a":"%s","k":"x"}`, at))
		answer := c.ask(t, `query($c:String){orders(first:1,orderBy:SUBMITTED_AT_DESC,after:$c){nodes{id}}}`, map[string]any{"c": cursor})
		lacks(t, answer, `"nodes":[{`, "INTERNAL")
	}
}

func checkoutTwice(t *testing.T, c *caseRun) {
	c.product(t, "b15")
	c.command(t, http.MethodPost, "/basket/baskets/b15/items", `{"items":[{"productId":"b15","quantity":1}]}`)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { c.command(t, http.MethodPost, "/basket/baskets/b15/checkout", shipTo) })
	}
	all.Wait()
	const ofBuyer = `select count(*) from eventlog.events where type = $1 and data->>'buyerId' = 'b15'`
	if n := count(t, c.db, ofBuyer, "basket.CheckedOut"); n != 1 {
		t.Errorf("%d checkouts", n)
	}
	eventually(t, "the order is submitted", func() bool { return count(t, c.db, ofBuyer, "ordering.OrderSubmitted") == 1 })
}

func ageOfHistory(t *testing.T, c *caseRun) {
	c.prepare(t, "b17", `insert into eventlog.events(source,stream,version,id,type,schema_version,time,data)
		values (current_user,'product-b17-held',1,'b17-held','catalog.ProductReplenished',1,now(),'{"productId":"b17","quantity":1}')`)
	run(t, "events", "import", caseFile("b17-history.jsonl"))
	answer := c.ask(t, `{products(first:1){freshness{ageMs lagEvents}}}`, nil)
	ages := regexp.MustCompile(`"ageMs":"?(\d+)"?,"lagEvents":"?(\d+)`).FindStringSubmatch(answer)
	if ages == nil || len(ages[1]) > 5 || ages[2] == "0" {
		t.Errorf("of events that came a second ago: %s", answer)
	}
	if r := statusNow(t); r.Projectors[0].LagSeconds > 60 {
		t.Errorf("status says %v s", r.Projectors[0].LagSeconds)
	}
	if _, err := c.db.Pool.Exec(t.Context(), "rollback prepared 'b17'"); err != nil {
		t.Fatal(err)
	}
	c.caughtUp(t)
}

func bomAndCRLF(t *testing.T, c *caseRun) {
	o := c.imported(t, "b20-crlf.jsonl")
	contains(t, o.out+o.err, "2 events read")
	if o = c.imported(t, "b20-bom.jsonl"); !strings.Contains(o.out, "2 events read") && !strings.Contains(o.err, "byte order mark") {
		t.Errorf("a byte order mark is neither read nor named: %+v", o)
	}
}

func idReused(t *testing.T, c *caseRun) {
	c.product(t, "b26")
	c.checkout(t, "b26-u", "b26")
	c.caughtUp(t)
	var reused string
	for line := range strings.Lines(must(t, readside.ExitOK, "events", "export").out) {
		if strings.Contains(line, `"basket.CheckedOut"`) && strings.Contains(line, `"subject":"basket-b26-u"`) {
			reused = line
		}
	}
	if reused == "" {
		t.Fatal("no checkout in the export")
	}
	reused = strings.ReplaceAll(reused, "b26-u", "b26-v")
	reused = regexp.MustCompile(`"streamversion":\d+`).ReplaceAllString(reused, `"streamversion":1`)
	o := runWith(t, reused, "events", "import")
	if o.code == readside.ExitOK || strings.Contains(o.out, "1 appended") {
		t.Errorf("the id of another event was taken: %+v", o)
	}
	contains(t, o.err, "line 1")
}

// cloudEventsOddities: what the format allows is read; all else is refused with its line.
func cloudEventsOddities(t *testing.T, c *caseRun) {
	files, err := filepath.Glob(caseFile("b27/*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		o := run(t, "events", "import", file)
		switch {
		case o.code == readside.ExitOK && strings.Contains(o.out, "1 events read"):
			t.Logf("%s is read", filepath.Base(file))
		case o.code != readside.ExitOK && strings.Contains(o.err, "line 1"):
			t.Logf("%s is refused: %s", filepath.Base(file), strings.TrimSpace(o.err))
		default:
			t.Errorf("%s is neither read nor refused with its line: %+v", filepath.Base(file), o)
		}
	}
	c.caughtUp(t)
}

func monthsInBerlin(t *testing.T, c *caseRun) {
	c.imported(t, "b28-months-in-berlin.jsonl")
	answer := c.ask(t, `{salesByMonth(from:"2026-01-01T00:00:00Z",to:"2027-01-01T00:00:00Z"){timeZone rows{month currency orders}}}`, nil)
	for month, orders := range map[string]int{"2026-03": 1, "2026-04": 1, "2026-10": 3, "2026-11": 1} {
		row := regexp.MustCompile(fmt.Sprintf(`"currency":"XXD","month":"%s","orders":"?%d"?\D`, month, orders))
		if !row.MatchString(answer) {
			t.Errorf("no %d orders in %s: %s", orders, month, answer)
		}
	}
}

func numbers(t *testing.T, c *caseRun) {
	contains(t, c.imported(t, "b29-numbers.jsonl").out, "6 events read")
	const parked = `select count(*) from readside.parked where stream like 'product-n-%'`
	if n := count(t, c.db, parked); n != 4 {
		t.Errorf("%d events are parked, want 4", n)
	}
}

func yearOne(t *testing.T, c *caseRun) {
	o := c.imported(t, "b10-year-one.jsonl")
	if o.code == readside.ExitOK {
		t.Error("an event of the year one was admitted")
	}
	contains(t, o.err, "line 1", "0001")
	for _, p := range statusNow(t).Projectors {
		if p.State != "live" {
			t.Errorf("projector %s is %s", p.Name, p.State)
		}
	}
}
