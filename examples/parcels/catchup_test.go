package main

import (
	"context"
	"flag"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/engine"
)

var catchUpEvents = flag.Int("catchup", 20_000, "how many events the catch-up is measured with")

// TestCatchUp measures how fast a backlog is folded, batch by batch: the figure that the order
// view of `readside bench catchup` is measured by, too.
func TestCatchUp(t *testing.T) {
	w := newWorld(*scaleSeed)
	w.live(*catchUpEvents)
	s := newSite(t)
	s.importEvents(w.told)
	pool, err := pgxpool.New(t.Context(), s.postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	log, err := eventlog.Open(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := pgx.ParseConfig(s.postgres)
	if err != nil {
		t.Fatal(err)
	}
	set, err := app.Set()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const batchByBatch = -1 // no first build
	reached := false
	p, err := engine.New(engine.Config{
		Application: app.Name, Log: log, Postgres: postgres, Set: set, BatchEvents: 10_000, BuildAbove: batchByBatch, Logger: slog.New(slog.DiscardHandler),
		Observer: engine.Observer{Folded: func(f engine.Folded) {
			if f.Position.Place() >= head.Place() {
				reached = true
				cancel()
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := p.Run(ctx); err != nil || !reached {
		t.Fatalf("the projector stopped before the log's end: %v", err)
	}
	took := time.Since(began)
	t.Logf("parcels: catch-up of %d events in %.2f s: %.0f events/s", len(w.told), took.Seconds(), float64(len(w.told))/took.Seconds())
}
