package shop_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/engine"
	views "github.com/readside/readside/projections/shop"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/wire"
	"github.com/readside/readside/writemodels/contract"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// patience bounds every wait of the tests.
const patience = 60 * time.Second

// market is a log with the shop's events, folded by the real projectors into a real
// Postgres and a real ClickHouse.
type market struct {
	t        *testing.T
	db       *dbtest.DB
	ch       *dbtest.CH
	log      *eventlog.Log
	set      *projections.Set
	versions map[string]int64
}

func newMarket(t *testing.T) *market {
	t.Helper()
	set, err := views.Set()
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.Postgres(t)
	log, err := eventlog.Open(t.Context(), db.Role(t, "readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	return &market{t: t, db: db, ch: dbtest.ClickHouse(t), log: log, set: set, versions: map[string]int64{}}
}

// happened appends an event to its stream.
func (m *market) happened(stream string, at time.Time, e eventlog.Typed) eventlog.Position {
	m.t.Helper()
	ev, err := eventlog.NewEvent(e, eventlog.Meta{Time: at})
	if err != nil {
		m.t.Fatal(err)
	}
	tx, err := m.db.Pool.Begin(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(m.t.Context())) }()
	position, err := m.log.Append(m.t.Context(), tx, eventlog.Append{Stream: stream, Expected: m.versions[stream], Events: []eventlog.Event{ev}})
	if err != nil {
		m.t.Fatal(err)
	}
	if err := tx.Commit(m.t.Context()); err != nil {
		m.t.Fatal(err)
	}
	m.versions[stream]++
	return position
}

// fold runs both projectors until they have reached p.
func (m *market) fold(p eventlog.Position) {
	m.t.Helper()
	m.foldViews(p)
	m.writeFacts(p)
}

func (m *market) foldViews(p eventlog.Position) {
	m.t.Helper()
	logger := slog.New(slog.NewTextHandler(m.t.Output(), nil))
	config, err := pgx.ParseConfig(m.db.RoleURL("readside_projector"))
	if err != nil {
		m.t.Fatal(err)
	}
	folded := make(chan eventlog.Position, 1000)
	hot, err := engine.New(engine.Config{Application: dbtest.Application, Log: m.log, Postgres: config, Set: m.set, Logger: logger,
		Observer: engine.Observer{Folded: func(f engine.Folded) { folded <- f.Position }}})
	if err != nil {
		m.t.Fatal(err)
	}
	m.until(p, folded, hot.Run)
}

func (m *market) writeFacts(p eventlog.Position) {
	m.t.Helper()
	logger := slog.New(slog.NewTextHandler(m.t.Output(), nil))
	written := make(chan eventlog.Position, 1000)
	facts, err := cold.Open(m.t.Context(), cold.Config{Application: dbtest.Application, Log: m.log, Pool: m.db.Role(m.t, "readside_projector"), ClickHouse: m.ch.Conn,
		Set: m.set, Logger: logger, FlushEvery: 10 * time.Millisecond,
		Observer: cold.Observer{Written: func(w cold.Written) { written <- w.Position }}})
	if err != nil {
		m.t.Fatal(err)
	}
	m.until(p, written, facts.Run)
}

func (m *market) until(p eventlog.Position, reached <-chan eventlog.Position, run func(context.Context) error) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	for {
		select {
		case at := <-reached:
			if at.Place() >= p.Place() {
				cancel()
				if err := <-done; err != nil {
					m.t.Fatal(err)
				}
				return
			}
		case err := <-done:
			m.t.Fatalf("the projector ended before place %d: %v", p.Place(), err)
		}
	}
}

// api serves the market, with months in zone.
func (m *market) api(zone string, counter *wire.Counter) *queryapi.API {
	m.t.Helper()
	config, err := pgxpool.ParseConfig(m.db.RoleURL("readside_query"))
	if err != nil {
		m.t.Fatal(err)
	}
	config.MaxConns = 1
	counter.Watch(&config.ConnConfig.Config)
	pool, err := pgxpool.NewWithConfig(m.t.Context(), config)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(pool.Close)
	options, err := clickhouse.ParseDSN(m.ch.ReaderURL())
	if err != nil {
		m.t.Fatal(err)
	}
	options.Auth.Database = cold.MartDatabase(m.ch.Database)
	reader, err := clickhouse.Open(options)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = reader.Close() })
	api, err := queryapi.New(shopSchema(m.t), queryapi.Options{Pool: pool, Reports: queryapi.NewCold(reader, queryapi.NewLedger(pool), zone)})
	if err != nil {
		m.t.Fatal(err)
	}
	return api
}

// ask returns a query's data as a client sees it.
func ask(t *testing.T, a *queryapi.API, query string, variables map[string]any) map[string]any {
	t.Helper()
	// With a deadline, as the service has: the ClickHouse driver sends it on as a setting.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer := a.Do(ctx, queryapi.Request{Query: query, Variables: variables})
	data, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Data   map[string]any
		Errors []any
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if out.Errors != nil {
		t.Fatalf("%s\nanswers %v", query, out.Errors)
	}
	return out.Data
}

// monthEnd is 23:30 on 31 March in London's winter, and April in Berlin already.
var monthEnd = time.Date(2026, 3, 31, 22, 30, 0, 0, time.UTC)

// sellsTwo lets a customer buy in euros, and another in pounds.
func (m *market) sellsTwo() eventlog.Position {
	eur := func(n int64) contract.Money { return contract.Money{Amount: n, Currency: "EUR"} }
	home := contract.Address{Street: "Long Lane 1", City: "Ulm", PostalCode: "89073", Country: "DE"}
	m.happened("customer-c1", monthEnd, contract.CustomerRegistered{CustomerID: "c1", Name: "Zoë", Email: "zoe@example.org", Address: home})
	m.happened("product-p1", monthEnd, contract.ProductAdded{ProductID: "p1", Name: "Kettle", Brand: "B", Category: "kitchen", Price: eur(2500), Stock: 10})
	m.happened("product-p2", monthEnd, contract.ProductAdded{ProductID: "p2", Name: "Lamp", Brand: "B", Category: "light", Price: eur(4000), Stock: 10})
	m.happened("basket-c1", monthEnd, contract.BasketItemAdded{BuyerID: "c1", ProductID: "p2", Quantity: 3, UnitPrice: eur(4000)})
	m.sells("o1", "c1", home, monthEnd.Add(-time.Hour), contract.OrderLine{ProductID: "p1", Category: "kitchen", Quantity: 2, UnitPrice: eur(2500)})
	return m.sells("o2", "c1", home, monthEnd, contract.OrderLine{ProductID: "p2", Category: "light", Quantity: 1, UnitPrice: contract.Money{Amount: 3000, Currency: "GBP"}})
}

func (m *market) sells(order, buyer string, to contract.Address, at time.Time, line contract.OrderLine) eventlog.Position {
	total, err := line.UnitPrice.Times(line.Quantity)
	if err != nil {
		m.t.Fatal(err)
	}
	m.happened("order-"+order, at, contract.OrderSubmitted{OrderID: order, BuyerID: buyer, Lines: []contract.OrderLine{line}, Total: total, ShipTo: to, Payment: contract.PaymentMethod{Kind: "invoice"}})
	m.happened("payment-"+order, at, contract.PaymentSucceeded{PaymentID: "pay-" + order, OrderID: order, BuyerID: buyer, Amount: total, Method: "invoice"})
	return m.happened("order-"+order, at, contract.OrderPaid{OrderID: order, BuyerID: buyer, PaymentID: "pay-" + order, Lines: []contract.OrderLine{line}, Total: total, Country: to.Country})
}
