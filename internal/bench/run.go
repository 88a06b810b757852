package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says what to measure and where.
type Config struct {
	// Pool is the owner's, of a migrated database that nobody else uses. Its log is filled.
	Pool *pgxpool.Pool
	// Events is the size of the log; 0 means a million.
	Events int
	// Rounds are interleaved; 0 means 5.
	Rounds int
	// Out gets the rates as they come.
	Out io.Writer
}

// ErrWeakRival says that a rival is slower than it can be, which would flatter us.
var ErrWeakRival = errors.New("the SQL worker is slower than 0.15 of a COPY of the ready rows: it is a weakened rival")

// Ratios are medians of the rounds' ratios, by the names of DESIGN.
type Ratios map[string]float64

// Catchup races through a backlog and answers the ratios.
func Catchup(ctx context.Context, cfg Config) (Ratios, error) {
	if cfg.Events == 0 {
		cfg.Events = 1_000_000
	}
	if cfg.Rounds == 0 {
		cfg.Rounds = 5
	}
	a, err := newArena(ctx, cfg.Pool, cfg.Events)
	if err != nil {
		return nil, err
	}
	rates := map[string][]float64{}
	var same sameWork
	for round := range cfg.Rounds {
		for _, c := range catchup() {
			events, took, err := c.run(ctx, a)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if err := same.check(ctx, a, c.name); err != nil {
				return nil, err
			}
			rate := float64(events) / took.Seconds()
			rates[c.name] = append(rates[c.name], rate)
			fmt.Fprintf(cfg.Out, "round %d  %-10s %9d events %8.2f s %10.0f events/s\n", round+1, c.name, events, took.Seconds(), rate)
		}
	}
	return Ratios{
		"catchup/watermill": ratio(rates["engine"], rates["watermill"]),
		"catchup/sqlworker": ratio(rates["engine"], rates["sqlworker"]),
		"catchup/bulkwrite": ratio(rates["engine"], rates["bulkwrite"]),
		weakRival:           ratio(rates["sqlworker"], rates["copy"]),
	}, nil
}

// weakRival is the ratio that shows whether the SQL worker is in its best form.
const (
	weakRival      = "baseline/sqlworker_over_copy"
	weakRivalLeast = 0.15
)

// Fair answers ErrWeakRival where a rival was too slow to be worth beating.
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
	slices.Sort(r)
	return r[len(r)/2]
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
