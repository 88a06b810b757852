package modelling

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/projectiontest"
	"github.com/readside/readside/readsidetest"
)

func TestMain(m *testing.M) { readsidetest.Main(m) }

var (
	drill = uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	saw   = uuid.MustParse("0f8fad5b-d9cb-469f-a165-70867728950e")
	cash  = uuid.MustParse("11111111-2222-4333-8444-555555555555")
)

func number(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func ptr[T any](v T) *T { return &v }

func day(n int) time.Time { return time.Date(2026, 3, n, 8, 0, 0, 0, time.UTC) }

func at(stream string, t time.Time, e eventlog.Typed) projectiontest.At {
	return projectiontest.At{Stream: stream, Time: t, Event: e}
}

// happened is the story of all cases.
var happened = []eventlog.Typed{
	customerRated{"ann", "gold", number("1000")}, // before the customer joined
	customerJoined{"ann", "Ann"}, customerJoined{"bob", "Bob"}, customerJoined{"eve", "Eve"}, customerLeft{"eve"},

	at("t1", day(1), ticketOpened1{"t1", "ann", drill}), at("t2", day(1), ticketOpened{"t2", "bob", drill, "open"}),
	at("t3", day(2), ticketOpened{"t3", "nobody", saw, "done"}), at("t4", day(2), ticketOpened{"t4", "eve", saw, "open"}),
	at("t1", day(3), ticketPriced{"t1", number("0.1"), ptr(number("12.5"))}), at("t1", day(3), ticketPriced{"t1", number("0.2"), ptr(number("12.3456"))}),
	at("t2", day(3), ticketPriced{"t2", number("999999999999999999999999999999999999.99"), nil}), at("t3", day(3), ticketPriced{"t3", number("-1.5"), ptr(number("7"))}),
	at("t1", day(4), ticketPlanned{"t1", ptr(day(20)), ptr(severity("high"))}), at("t3", day(4), ticketPlanned{"t3", ptr(day(10)), ptr(severity("low"))}),
	at("t1", day(5), ticketMoved{"t1", "in_work"}), at("t1", day(6), ticketMoved{"t1", "open"}),
	at("t1", day(5), partUsed{"t1", "bit", saw, number("3.20")}), at("t1", day(5), partUsed{"t1", "belt", uuid.Nil, number("12")}),

	ticketTagged{[]string{"red", "blue", "red"}}, ticketTagged{[]string{"blue", "old"}}, tagsDropped{[]string{"old"}}, ticketTagged{[]string{"old"}},
	benchTaken{"b1", "ann"}, benchTaken{"b1", "bob"}, benchFreed{"b1"}, benchTaken{"b1", "eve"}, benchTaken{"b2", "ann"}, benchFreed{"b2"},

	at("p1", day(1), paid{number("10.10"), ptr(number("0.05")), cash, "done", []int{1, 2}}),
	at("p2", day(31), paid{number("20.20"), nil, cash, "done", nil}), at("p3", day(32), paid{number("0.01"), nil, cash, "open", []int{3}}),
}

// cases are what clients ask of it, and get.
var cases = []struct{ name, query, want string }{
	{"an old version is lifted by its upcaster", `{ ticket(id: "t1") { state } }`, `{"ticket":{"state":"open"}}`},
	{"a UUID is a column", `{ ticket(id: "t1") { serial } }`, `{"ticket":{"serial":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}}`},
	{"a UUID is a filter", `{ tickets(filter: {serial: {eq: "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"}}) { nodes { id } } }`, `{"tickets":{"nodes":[{"id":"t1"},{"id":"t2"}]}}`},
	{"decimals add up exactly", `{ ticket(id: "t1") { price estimate } }`, `{"ticket":{"estimate":"12.3456","price":"0.30"}}`},
	{"a decimal has 38 digits", `{ ticket(id: "t2") { price estimate } }`, `{"ticket":{"estimate":null,"price":"999999999999999999999999999999999999.99"}}`},
	{"a decimal is an order", `{ tickets(orderBy: PRICE_DESC) { nodes { id price } } }`,
		`{"tickets":{"nodes":[{"id":"t2","price":"999999999999999999999999999999999999.99"},{"id":"t1","price":"0.30"},{"id":"t4","price":"0.00"},{"id":"t3","price":"-1.50"}]}}`},
	{"a decimal is a range", `{ tickets(filter: {price: {gte: "-1.5", lt: 0.3}}) { nodes { id } } }`, `{"tickets":{"nodes":[{"id":"t3"},{"id":"t4"}]}}`},
	{"a nullable order: null comes last", `{ tickets(orderBy: ESTIMATE_ASC) { nodes { id estimate } } }`,
		`{"tickets":{"nodes":[{"estimate":"7.0000","id":"t3"},{"estimate":"12.3456","id":"t1"},{"estimate":null,"id":"t2"},{"estimate":null,"id":"t4"}]}}`},
	{"and first where it is descending", `{ tickets(orderBy: DUE_DESC) { nodes { id due } } }`,
		`{"tickets":{"nodes":[{"due":null,"id":"t4"},{"due":null,"id":"t2"},{"due":"2026-03-20T08:00:00Z","id":"t1"},{"due":"2026-03-10T08:00:00Z","id":"t3"}]}}`},
	{"what is null is found", `{ tickets(filter: {due: {isNull: true}}) { nodes { id } } }`, `{"tickets":{"nodes":[{"id":"t2"},{"id":"t4"}]}}`},
	{"declared values are an enum", `{ __type(name: "State") { kind } ticket(id: "t3") { state severity } none: ticket(id: "t2") { severity } }`,
		`{"__type":{"kind":"ENUM"},"none":{"severity":null},"ticket":{"severity":"low","state":"done"}}`},
	{"an enum is a filter", `{ tickets(filter: {state: {in: [in_work, done]}, severity: {eq: low}}) { nodes { id } } }`, `{"tickets":{"nodes":[{"id":"t3"}]}}`},
	{"a UUID and a decimal within json", `{ ticket(id: "t1") { parts { name maker cost } } }`,
		`{"ticket":{"parts":[{"cost":"3.2","maker":"0f8fad5b-d9cb-469f-a165-70867728950e","name":"bit"},{"cost":"12","maker":"00000000-0000-0000-0000-000000000000","name":"belt"}]}}`},
	{"a join copies decimals and enums", `{ ticket(id: "t1") { customerName customerTier creditLimit } }`, `{"ticket":{"creditLimit":"1000.00","customerName":"Ann","customerTier":"gold"}}`},
	{"without a source a joined enum is null", `{ a: ticket(id: "t3") { customerTier creditLimit } b: ticket(id: "t4") { customerTier customerName } }`,
		`{"a":{"creditLimit":"0.00","customerTier":null},"b":{"customerName":"","customerTier":null}}`},
	{"rows per month, by the event's time", `{ months { nodes { month payments turnover } } }`,
		`{"months":{"nodes":[{"month":"2026-03","payments":2,"turnover":"30.30"},{"month":"2026-04","payments":1,"turnover":"0.01"}]}}`},
	{"a row per stream", `{ stories { nodes { stream moves } } }`, `{"stories":{"nodes":[{"moves":2,"stream":"t1"}]}}`},
	{"one event creates many rows, and a deleted one stays deleted", `{ tags(orderBy: TICKETS_DESC) { nodes { tag tickets } } }`,
		`{"tags":{"nodes":[{"tag":"blue","tickets":2},{"tag":"red","tickets":1}]}}`},
	{"a view's choice: rows that live again, from zero", `{ benches { nodes { bench takenBy lives } } }`, `{"benches":{"nodes":[{"bench":"b1","lives":1,"takenBy":"eve"}]}}`},
	{"a screen by a UUID, of declared values", `{ device(serial: "6ba7b810-9dad-11d1-80b4-00c04fd430c8") { waiting { nodes { id due } } } }`,
		`{"device":{"waiting":{"nodes":[{"due":"2026-03-20T08:00:00Z","id":"t1"},{"due":null,"id":"t2"}]}}}`},
	{"a report by a UUID, of decimals, nulls and lists", `{ turnover(method: "11111111-2222-4333-8444-555555555555") { rows { result method total rebates without hours } } }`,
		`{"turnover":{"rows":[{"hours":2,"method":"11111111-2222-4333-8444-555555555555","rebates":"0.05","result":"done","total":"30.30","without":[false,true]},` +
			`{"hours":1,"method":"11111111-2222-4333-8444-555555555555","rebates":null,"result":"open","total":"0.01","without":[true]}]}}`},
	{"a report above a decimal", `{ turnover(method: "11111111-2222-4333-8444-555555555555", floor: "0.02") { rows { total } } }`, `{"turnover":{"rows":[{"total":"30.30"}]}}`},
}

// faults are events that no row takes, and what an operator is told of them.
var faults = []struct {
	name  string
	event eventlog.Typed
	says  string
}{
	{"a decimal finer than its column", at("t1", day(7), ticketPriced{"t1", number("0.001"), nil}), "column price: 301e-3 has more than 2 digits behind the point, and nothing is rounded"},
	{"a decimal with too many digits", at("t3", day(7), ticketPriced{"t3", number("1e37"), nil}), "has too many digits: the column holds 36 before the point and 2 behind it"},
	{"a value that is not declared", at("t4", day(7), ticketMoved{"t4", "lost"}), `column state: "lost" is not a declared value`},
	{"no value where one has to be", at("t5", day(7), ticketOpened{"t5", "ann", saw, ""}), `column state: "" is not a declared value`},
	{"an optional value that is not declared", at("t6", day(7), ticketPlanned{"t6", nil, ptr(severity("none"))}), `column severity: "none" is not a declared value`},
	{"a fact of a value that is not declared", at("p4", day(7), paid{number("1"), nil, cash, "lost", nil}), `column result: "lost" is not a declared value`},
	{"a fact of a decimal too fine", at("p5", day(7), paid{number("1.001"), nil, cash, "done", nil}), "column amount: 1001e-3 has more than 2 digits"},
}

// TestCases tells the story to a running program and asks; then come the events that no row
// takes, which park, and nothing else changes.
func TestCases(t *testing.T) {
	program := readsidetest.Start(t, app)
	program.Append(happened...)
	asked := func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				if got := program.Query(c.query, nil); got != c.want {
					t.Errorf("%s\nanswers %s,\nand not  %s", c.query, got, c.want)
				}
			})
		}
	}
	asked(t)
	program.Run("verify")
	for _, f := range faults {
		program.Append(f.event)
	}
	program.Query(`{ month(id: "2026-03") { payments } turnover(method: "11111111-2222-4333-8444-555555555555") { rows { total } } }`, nil)
	parked := program.Run("parked", "list", "--json")
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if !strings.Contains(strings.ReplaceAll(parked, `\"`, `"`), f.says) {
				t.Errorf("nothing that is parked says %s:\n%s", f.says, parked)
			}
		})
	}
	program.Run("verify")
	t.Logf("modelling: %d cases served, %d parked", len(cases), len(faults))
}
