package modelling

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside"
	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

// The domain of the cases: a repair shop.

// state, severity and tier declare their values: readers see enums.
type (
	state    string
	severity string
	tier     string
)

func (state) Values() []string    { return []string{"open", "in_work", "done"} }
func (severity) Values() []string { return []string{"low", "high"} }
func (tier) Values() []string     { return []string{"basic", "gold"} }

type (
	// ticketOpened is of version 2; version 1 had no state.
	ticketOpened struct {
		ID, Customer string
		Serial       uuid.UUID
		State        state
	}
	ticketOpened1 struct {
		ID, Customer string
		Serial       uuid.UUID
	}
	ticketPriced struct {
		ID       string
		Price    decimal.Decimal
		Estimate *decimal.Decimal
	}
	ticketPlanned struct {
		ID       string
		Due      *time.Time
		Severity *severity
	}
	ticketMoved struct {
		ID    string
		State state
	}
	partUsed struct {
		ID, Part string
		Maker    uuid.UUID
		Cost     decimal.Decimal
	}
	ticketTagged   struct{ Tags []string }
	tagsDropped    struct{ Tags []string }
	customerJoined struct{ ID, Name string }
	customerRated  struct {
		ID    string
		Tier  tier
		Limit decimal.Decimal
	}
	customerLeft struct{ ID string }
	benchTaken   struct{ Bench, By string }
	benchFreed   struct{ Bench string }
	paid         struct {
		Amount decimal.Decimal
		Rebate *decimal.Decimal
		Method uuid.UUID
		Result state
		Hours  []int
	}
)

func (ticketOpened) EventType() (string, int)   { return "repair.TicketOpened", 2 }
func (ticketOpened1) EventType() (string, int)  { return "repair.TicketOpened", 1 }
func (ticketPriced) EventType() (string, int)   { return "repair.TicketPriced", 1 }
func (ticketPlanned) EventType() (string, int)  { return "repair.TicketPlanned", 1 }
func (ticketMoved) EventType() (string, int)    { return "repair.TicketMoved", 1 }
func (partUsed) EventType() (string, int)       { return "repair.PartUsed", 1 }
func (ticketTagged) EventType() (string, int)   { return "repair.TicketTagged", 1 }
func (tagsDropped) EventType() (string, int)    { return "repair.TagsDropped", 1 }
func (customerJoined) EventType() (string, int) { return "repair.CustomerJoined", 1 }
func (customerRated) EventType() (string, int)  { return "repair.CustomerRated", 1 }
func (customerLeft) EventType() (string, int)   { return "repair.CustomerLeft", 1 }
func (benchTaken) EventType() (string, int)     { return "repair.BenchTaken", 1 }
func (benchFreed) EventType() (string, int)     { return "repair.BenchFreed", 1 }
func (paid) EventType() (string, int)           { return "repair.Paid", 1 }

type part struct {
	Name  string          `json:"name"`
	Maker uuid.UUID       `json:"maker"`
	Cost  decimal.Decimal `json:"cost"`
}

type ticket struct {
	ID           string           `view:"id,key"`
	Serial       uuid.UUID        `view:"serial,index"`
	State        state            `view:"state,index"`
	Severity     *severity        `view:"severity,index"`
	Price        decimal.Decimal  `view:"price,order,scale=2"`
	Estimate     *decimal.Decimal `view:"estimate,order,scale=4"`
	Due          *time.Time       `view:"due,order"`
	Parts        []part           `view:"parts"`
	Customer     string           `view:"customer,index"`
	CustomerName string           `view:"customer_name,join"`
	CustomerTier tier             `view:"customer_tier,join"`
	Limit        decimal.Decimal  `view:"credit_limit,join,scale=2"`
}

type customer struct {
	ID    string          `view:"id,key"`
	Name  string          `view:"name"`
	Tier  tier            `view:"tier,index"`
	Limit decimal.Decimal `view:"credit_limit,scale=2"`
}

type month struct {
	Month    string          `view:"month,key"`
	Payments int             `view:"payments"`
	Turnover decimal.Decimal `view:"turnover,scale=2"`
}

type tag struct {
	Tag     string `view:"tag,key"`
	Tickets int    `view:"tickets,order"`
}

type story struct {
	Stream string `view:"stream,key"`
	Moves  int    `view:"moves"`
}

type bench struct {
	Bench string `view:"bench,key"`
	By    string `view:"taken_by"`
	Lives int    `view:"lives"`
}

type payment struct {
	At     time.Time        `fact:"at,time"`
	Amount decimal.Decimal  `fact:"amount,scale=2"`
	Rebate *decimal.Decimal `fact:"rebate,scale=2"`
	Method uuid.UUID        `fact:"method,order"`
	Result state            `fact:"result"`
	Hours  []int            `fact:"hours"`
}

func customers() *projections.View[customer] {
	return &projections.View[customer]{Name: "customer", Version: 1, Handlers: []projections.Handler[customer]{
		projections.Create(func(e customerJoined) string { return e.ID }, func(c *customer, e customerJoined, _ projections.Meta) error {
			if c.Name = e.Name; c.Tier == "" {
				c.Tier = "basic"
			}
			return nil
		}),
		projections.Update(func(e customerRated) string { return e.ID }, func(c *customer, e customerRated, _ projections.Meta) error {
			c.Tier, c.Limit = e.Tier, e.Limit
			return nil
		}),
		projections.Delete[customer](func(e customerLeft) string { return e.ID }),
	}}
}

func tickets(customers *projections.View[customer]) *projections.View[ticket] {
	return &projections.View[ticket]{Name: "ticket", Version: 1, Handlers: []projections.Handler[ticket]{
		projections.Create(func(e ticketOpened) string { return e.ID }, func(t *ticket, e ticketOpened, _ projections.Meta) error {
			t.Serial, t.State, t.Customer = e.Serial, e.State, e.Customer
			return nil
		}),
		projections.Update(func(e ticketPriced) string { return e.ID }, func(t *ticket, e ticketPriced, _ projections.Meta) error {
			t.Price, t.Estimate = t.Price.Add(e.Price), e.Estimate
			return nil
		}),
		projections.Update(func(e ticketPlanned) string { return e.ID }, func(t *ticket, e ticketPlanned, _ projections.Meta) error {
			t.Due, t.Severity = e.Due, e.Severity
			return nil
		}),
		projections.Update(func(e ticketMoved) string { return e.ID }, func(t *ticket, e ticketMoved, _ projections.Meta) error { t.State = e.State; return nil }),
		projections.Update(func(e partUsed) string { return e.ID }, func(t *ticket, e partUsed, _ projections.Meta) error {
			t.Parts = append(t.Parts, part{e.Part, e.Maker, e.Cost})
			return nil
		}),
	}, Joins: []projections.Join[ticket]{projections.Copy[ticket](customers, "customer", "customer_name=name", "customer_tier=tier", "credit_limit")}}
}

func set() (*projections.Set, error) {
	all := customers()
	lifted, err := eventlog.NewUpcasters(eventlog.Upcast(func(e ticketOpened1) ticketOpened {
		return ticketOpened{ID: e.ID, Customer: e.Customer, Serial: e.Serial, State: "open"}
	}))
	if err != nil {
		return nil, err
	}
	return projections.NewSet(all, tickets(all), projections.Upcasters(lifted),
		&projections.View[month]{Name: "month", Version: 1, Handlers: []projections.Handler[month]{
			projections.CreateEach(func(_ paid, m projections.Meta) []string { return []string{m.Time.Format("2006-01")} },
				func(r *month, _ string, e paid, _ projections.Meta) error {
					r.Payments, r.Turnover = r.Payments+1, r.Turnover.Add(e.Amount)
					return nil
				}),
		}},
		&projections.View[tag]{Name: "tag", Version: 1, Handlers: []projections.Handler[tag]{
			projections.CreateEach(func(e ticketTagged, _ projections.Meta) []string { return e.Tags }, func(r *tag, _ string, _ ticketTagged, _ projections.Meta) error { r.Tickets++; return nil }),
			projections.DeleteEach[tag](func(e tagsDropped, _ projections.Meta) []string { return e.Tags }),
		}},
		&projections.View[story]{Name: "story", Version: 1, Handlers: []projections.Handler[story]{
			projections.CreateEach(projections.ByStream[ticketMoved], func(r *story, _ string, _ ticketMoved, _ projections.Meta) error { r.Moves++; return nil }),
		}},
		&projections.View[bench]{Name: "bench", Version: 1, Revive: true, Handlers: []projections.Handler[bench]{
			projections.Create(func(e benchTaken) string { return e.Bench }, func(b *bench, e benchTaken, _ projections.Meta) error {
				b.By, b.Lives = e.By, b.Lives+1
				return nil
			}),
			projections.Delete[bench](func(e benchFreed) string { return e.Bench }),
		}},
		&projections.Fact[payment]{Name: "payments", Version: 1, Handlers: []projections.FactHandler[payment]{
			projections.Append(func(e paid, m projections.Meta) ([]payment, error) {
				return []payment{{At: m.Time, Amount: e.Amount, Rebate: e.Rebate, Method: e.Method, Result: e.Result, Hours: e.Hours}}, nil
			}),
		}},
	)
}

var app = readside.App{
	Name: "repair", Set: set, Plurals: map[string]string{"story": "stories", "bench": "benches"},
	Screens: []queryapi.Screen{{
		Name: "device", Doc: "All tickets of one device that are not done.",
		Args: []queryapi.Arg{{Name: "serial", Kind: projections.UUID}},
		Parts: []queryapi.Part{{Name: "waiting", View: "ticket", List: &queryapi.List{OrderBy: "DUE_ASC",
			Where: []queryapi.Where{{Column: "serial", Arg: "serial"}, {Column: "state", In: []string{"open", "in_work"}}}}}},
	}},
	Reports: []queryapi.Report{{
		Name: "turnover", Doc: "What was paid by a method, above a floor.",
		Args: []queryapi.Arg{{Name: "method", Kind: projections.UUID}, {Name: "floor", Kind: projections.Decimal, Default: "0"}},
		SQL: `select result, method, sum(toDecimal256(amount, 2)) as total, sum(toDecimal256(rebate, 2)) as rebates, groupArray(toBool(rebate is null)) as without,
  toInt64(length(arrayFlatten(groupArray(hours)))) as hours
from payments where method = {method:UUID} and amount >= {floor:Decimal(38, 2)} group by result, method order by result limit {rows_max:UInt64}`,
		Columns: []queryapi.ReportColumn{{Name: "result", Kind: projections.Text}, {Name: "method", Kind: projections.UUID}, {Name: "total", Kind: projections.Decimal},
			{Name: "rebates", Kind: projections.Decimal, Nullable: true}, {Name: "without", Kind: projections.Bool, List: true}, {Name: "hours", Kind: projections.Int64}},
		Tables: []string{"payments"},
	}},
}
