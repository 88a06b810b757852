package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/bench/story"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/shop"
	"github.com/readside/readside/writemodels/contract"
)

// FactsShuffled is the ratio's name: the facts' time for a history whose times are shuffled
// over 24 months, over that for the same events in order of time.
const FactsShuffled = "growth/facts_shuffled"

// factEvents is how many of a benchmark's events go to one order of the facts' histories:
// a million measure 20,000 orders, which are 80,000 events.
const factEvents = 50

// FactsGrowth says what to measure the facts' growth with.
type FactsGrowth struct {
	// Orders is the size of the history: four events with rows and ten rows each. Defaults
	// to 20,000.
	Orders int
	// Store returns a migrated Postgres, as its owner, and an empty ClickHouse database. It
	// is called once for each history.
	Store func(history string) (*pgxpool.Pool, driver.Conn, error)
	// Out gets the rates as they come.
	Out io.Writer
}

// RunFactsGrowth writes the facts of both histories, one after the other.
func RunFactsGrowth(ctx context.Context, cfg FactsGrowth) (Ratios, error) {
	const ordersDefault = 20_000
	if cfg.Orders == 0 {
		cfg.Orders = ordersDefault
	}
	var took [2]time.Duration
	for i, history := range []string{"ordered", "shuffled"} {
		pool, conn, err := cfg.Store(history)
		if err != nil {
			return nil, fmt.Errorf("facts of the %s history: %w", history, err)
		}
		events, err := factHistory(cfg.Orders, history == "shuffled")
		if err == nil {
			err = (&arena{pool: pool, events: events}).fillLog(ctx)
		}
		blocks := 0
		if err == nil {
			took[i], blocks, err = writeFacts(ctx, pool, conn)
		}
		if err != nil {
			return nil, fmt.Errorf("facts of the %s history: %w", history, err)
		}
		fmt.Fprintf(cfg.Out, "facts, %-8s %d events in %s, %d inserts\n", history, len(events), took[i].Round(time.Millisecond), blocks)
	}
	return Ratios{FactsShuffled: took[1].Seconds() / took[0].Seconds()}, nil
}

// writeFacts writes all of the log's facts and compares them with it.
func writeFacts(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn) (took time.Duration, blocks int, err error) {
	log, err := eventlog.Open(ctx, pool)
	if err != nil {
		return 0, 0, err
	}
	end, err := log.Head(ctx)
	if err != nil {
		return 0, 0, err
	}
	set, err := shop.Set()
	if err != nil {
		return 0, 0, err
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	projector, err := cold.Open(ctx, cold.Config{
		Application: shop.Application,
		Log:         log, Pool: pool, ClickHouse: conn, Set: set, Logger: slog.New(slog.DiscardHandler),
		Observer: cold.Observer{Written: func(w cold.Written) {
			if blocks += w.Blocks; w.Position.Place() >= end.Place() {
				cancel()
			}
		}},
	})
	if err != nil {
		return 0, 0, err
	}
	started := time.Now()
	if err := projector.Run(run); err != nil {
		return 0, 0, err
	}
	took = time.Since(started)
	report, err := projector.Verify(ctx)
	if err == nil && !report.Equal() {
		err = errors.New("the facts are not what the log says")
	}
	return took, blocks, err
}

// factHistory is orders over 24 months, in order of time or anywhere.
func factHistory(orders int, shuffled bool) ([]story.Stored, error) {
	const days = 730
	rng := rand.New(rand.NewSource(story.Seed))
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var out []story.Stored
	for o := range orders {
		share := float64(o) / float64(orders)
		if x := rng.Float64(); shuffled {
			share = x
		}
		at := start.Add(time.Duration(share * days * float64(24*time.Hour))).Truncate(time.Microsecond)
		made, err := factOrder(fmt.Sprintf("%08d", o), at, rng)
		if err != nil {
			return nil, err
		}
		out = append(out, made...)
	}
	return out, nil
}

// factOrder is what happens to one order: ten rows of three facts.
func factOrder(id string, at time.Time, rng *rand.Rand) ([]story.Stored, error) {
	const products = 5_000
	var lines []contract.OrderLine
	total := contract.Money{Currency: "EUR"}
	for range 3 {
		price := int64(100 + rng.Intn(20_000))
		lines = append(lines, contract.OrderLine{ProductID: fmt.Sprintf("p-%05d", rng.Intn(products)), Category: "books", Quantity: 1,
			UnitPrice: contract.Money{Amount: price, Currency: "EUR"}})
		total.Amount += price
	}
	buyer, home := fmt.Sprintf("c-%05d", rng.Intn(story.Users)), contract.Address{Street: "Test Road 1", City: "Testville", PostalCode: "00000", Country: "DE"}
	var out []story.Stored
	for i, e := range []eventlog.Typed{
		contract.BasketCheckedOut{BuyerID: buyer, OrderID: id, Lines: lines, ShipTo: home, Payment: contract.PaymentMethod{Kind: "invoice"}},
		contract.OrderSubmitted{OrderID: id, BuyerID: buyer, Lines: lines, Total: total, ShipTo: home, Payment: contract.PaymentMethod{Kind: "invoice"}},
		contract.PaymentSucceeded{PaymentID: "pay-" + id, OrderID: id, BuyerID: buyer, Amount: total, Method: "invoice"},
		contract.OrderPaid{OrderID: id, BuyerID: buyer, PaymentID: "pay-" + id, Lines: lines, Total: total, Country: "DE"},
	} {
		data, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		kind, _ := e.EventType()
		out = append(out, story.Stored{Stream: fmt.Sprintf("order-%s-%d", id, i), Version: 1, Kind: kind, At: at, Data: data})
	}
	return out, nil
}
