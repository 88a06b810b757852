package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says what to measure and where.
type Config struct {
	// Pool is the owner's, of a migrated database that nobody else uses. Its log is filled.
	Pool *pgxpool.Pool
	// FactStores makes the stores of growth's facts: see FactsGrowth.Store. Without it,
	// growth measures views only.
	FactStores func(history string) (*pgxpool.Pool, driver.Conn, error)
	// Events is the size of the log; 0 means a million.
	Events int
	// Rounds are interleaved; 0 means 5.
	Rounds int
	// Out gets the rates as they come.
	Out io.Writer
}

// Names are the benchmarks, in the order in which they run.
var Names = []string{"catchup", "rebuild", "latency", "growth"}

// ErrWeakRival is returned when a rival is slower than it can be, which would flatter us.
var ErrWeakRival = errors.New("the SQL worker is slower than 0.15 of a COPY of the rows that the batches write: it is a weakened rival")

// Ratios are medians of the rounds' ratios, by the names of the documentation.
type Ratios map[string]float64

// Run runs the named benchmarks, all where there are none, in one database.
func Run(ctx context.Context, cfg Config, names ...string) (Ratios, error) {
	if cfg.Events == 0 {
		cfg.Events = 1_000_000
	}
	if cfg.Rounds == 0 {
		cfg.Rounds = 5
	}
	if len(names) == 0 {
		names = Names
	}
	for _, name := range names {
		if !slices.Contains(Names, name) {
			return nil, fmt.Errorf("there is no benchmark %q: there are %s", name, strings.Join(Names, ", "))
		}
	}
	a, err := newArena(ctx, cfg.Pool, cfg.Events)
	if err != nil {
		return nil, err
	}
	all := Ratios{}
	for _, name := range names {
		got, err := a.benchmark(ctx, cfg, name)
		maps.Copy(all, got)
		if err != nil {
			return all, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

func (a *arena) benchmark(ctx context.Context, cfg Config, name string) (Ratios, error) {
	switch name {
	case "catchup":
		rates, err := a.race(ctx, cfg, catchup())
		if err != nil {
			return nil, err
		}
		return Ratios{
			"catchup/watermill": ratio(rates["engine"], rates["watermill"]),
			"catchup/sqlworker": ratio(rates["engine"], rates["sqlworker"]),
			"catchup/bulkwrite": ratio(rates["engine"], rates["bulkwrite"]),
			weakRival:           ratio(rates["sqlworker"], rates["copy_batches"]),
		}, nil
	case "rebuild":
		rates, err := a.race(ctx, cfg, rebuilds())
		if err != nil {
			return nil, err
		}
		return Ratios{
			"build/insert_select":   ratio(rates["build"], rates["insert_select"]),
			"build/copy":            ratio(rates["build"], rates["copy"]),
			"rebuild/insert_select": ratio(rates["rebuild"], rates["insert_select"]),
			"rebuild/copy":          ratio(rates["rebuild"], rates["copy"]),
			"rebuild_compared/copy": ratio(rates["rebuild_compared"], rates["copy"]),
		}, nil
	case "growth":
		views, err := a.growth(ctx, cfg)
		if err != nil || cfg.FactStores == nil {
			return views, err
		}
		facts, err := RunFactsGrowth(ctx, FactsGrowth{Orders: cfg.Events / factEvents, Store: cfg.FactStores, Out: cfg.Out})
		maps.Copy(views, facts)
		return views, err
	}
	return a.latency(ctx, cfg)
}

// race lets the contestants run one after the other, round by round, and returns
// their rates in events per second.
func (a *arena) race(ctx context.Context, cfg Config, contestants []contestant) (map[string][]float64, error) {
	rates := map[string][]float64{}
	var same sameWork
	for round := range cfg.Rounds {
		for _, c := range contestants {
			events, took, err := c.run(ctx, a)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if err := same.check(ctx, a, c.name); err != nil {
				return nil, err
			}
			rate := float64(events) / took.Seconds()
			rates[c.name] = append(rates[c.name], rate)
			fmt.Fprintf(cfg.Out, "round %d  %-16s %9d events %8.2f s %10.0f events/s\n", round+1, c.name, events, took.Seconds(), rate)
		}
	}
	return rates, nil
}

// weakRival is the ratio that shows whether the SQL worker is in its best form.
const (
	weakRival      = "baseline/sqlworker_over_copy"
	weakRivalLeast = 0.15
)

// Fair returns ErrWeakRival where a rival was too slow to be worth beating.
func (r Ratios) Fair() error {
	if weak, ok := r[weakRival]; ok && weak < weakRivalLeast {
		return fmt.Errorf("%w: %.3f", ErrWeakRival, weak)
	}
	return nil
}

// ratio is the median of the rounds' ratios.
func ratio(a, b []float64) float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return median(r)
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}

// JSON is the line that ends a run.
func (r Ratios) JSON() string {
	rounded := map[string]float64{}
	for k, v := range r {
		rounded[k] = float64(int(v*1000+0.5)) / 1000
	}
	b, _ := json.Marshal(map[string]any{"ratios": rounded}) // floats always can
	return string(b)
}

// Keys are the names of the ratios, sorted.
func (r Ratios) Keys() []string { return slices.Sorted(maps.Keys(r)) }
