package bench

import (
	"context"
	"time"

	"github.com/readside/readside/internal/bench/baseline"
	"github.com/readside/readside/projections/engine"
)

// rebuild are the contestants that fill the order view from a log at rest.
func rebuild() []contestant {
	return []contestant{
		{"rebuild", runRebuild},
		{"insert_select", runInsertSelect},
		{"copy", runCopy},
	}
}

// runRebuild measures the rebuild of the order view; catching up before is not counted.
func runRebuild(ctx context.Context, a *arena) (int, time.Duration, error) {
	if _, _, err := runEngine(ctx, a); err != nil {
		return 0, 0, err
	}
	p, err := engine.New(engine.Config{Log: a.log, Postgres: a.pool.Config().ConnConfig, Set: a.set, BatchEvents: batchEvents})
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	_, err = p.Rebuild(ctx, "order", engine.RebuildOptions{MaxRate: -1})
	return len(a.events), time.Since(start), err
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
		if _, err := conn.Exec(ctx, t.CreateTable(t.Name)); err != nil {
			return 0, 0, err
		}
		if _, err := conn.Exec(ctx, baseline.InsertSelect[t.Model.Name]); err != nil {
			return 0, 0, err
		}
		for _, sql := range t.CreateIndexes(t.Name) {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return 0, 0, err
			}
		}
	}
	return len(a.events), time.Since(start), nil
}
