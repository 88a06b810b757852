package bench

import (
	"context"
	"log/slog"
	"time"

	"github.com/readside/readside/internal/bench/baseline"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
	"github.com/readside/readside/projections/shop"
)

// rebuild are the contestants that fill the order view, and the users that it joins,
// from a log at rest.
func rebuilds() []contestant {
	return []contestant{
		{"build", runBuild},
		{"rebuild", runRebuild},
		{"rebuild_compared", runRebuildCompared},
		{"insert_select", runInsertSelect},
		{"copy", runCopy},
	}
}

// runBuild measures a first build, from a projector that does not exist to views that
// are live.
func runBuild(ctx context.Context, a *arena) (int, time.Duration, error) {
	return a.project(ctx, always)
}

// runRebuild measures a rebuild of the order view, without its comparison with the live
// generation, since nothing that its rivals fill is compared.
func runRebuild(ctx context.Context, a *arena) (int, time.Duration, error) {
	whole, comparing, err := a.rebuild(ctx)
	return len(a.events), whole - comparing, err
}

// runRebuildCompared measures a rebuild whole, as its user waits for it.
func runRebuildCompared(ctx context.Context, a *arena) (int, time.Duration, error) {
	whole, _, err := a.rebuild(ctx)
	return len(a.events), whole, err
}

// rebuild builds the views, which is not counted, and builds the order view anew at full
// speed. It returns how long that took, and how long of it the generations were compared.
func (a *arena) rebuild(ctx context.Context) (whole, comparing time.Duration, err error) {
	if _, _, err := runBuild(ctx, a); err != nil {
		return 0, 0, err
	}
	cfg := engine.Config{
		Application: shop.Application,
		Log:         a.log, Postgres: a.pool.Config().ConnConfig, Set: a.set, BatchEvents: batchEvents, BuildAbove: always, Logger: slog.New(slog.DiscardHandler),
	}
	var phase string
	var since time.Time
	start := time.Now()
	_, err = rebuild.View(ctx, cfg, "order", rebuild.Options{MaxRate: -1, Progress: func(now rebuild.Progress) {
		if phase == rebuild.PhaseComparing && now.Phase != phase {
			comparing += time.Since(since)
		}
		if now.Phase != phase {
			phase, since = now.Phase, time.Now()
		}
	}})
	return time.Since(start), comparing, err
}

// runInsertSelect lets Postgres fold the same log by one statement per table.
func runInsertSelect(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.clear(ctx); err != nil {
		return 0, 0, err
	}
	conn, err := a.pool.Acquire(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Release()
	start := time.Now()
	for _, t := range a.tables {
		err := filled(ctx, conn.Conn(), t, func() error {
			_, err := conn.Exec(ctx, baseline.InsertSelect[t.Model.Name])
			return err
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return len(a.events), time.Since(start), nil
}
