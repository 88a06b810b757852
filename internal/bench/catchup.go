package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/bench/baseline"
	"github.com/readside/readside/projections/engine"
)

// batchEvents is the batch of every contestant that batches.
const batchEvents = 10_000

// watermillBacklog is the backlog of the naive handler, whose rate falls with it.
const watermillBacklog = 20_000

// contestant folds a backlog; run answers how many events and how long.
type contestant struct {
	name string
	run  func(context.Context, *arena) (events int, took time.Duration, err error)
}

// catchup are the contestants of the race through a backlog.
func catchup() []contestant {
	return []contestant{
		{"engine", runEngine},
		{"sqlworker", runSQLWorker},
		{"bulkwrite", runBulkWrite},
		{"copy", runCopyIndexed},
		{"watermill", runWatermill},
	}
}

func runEngine(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.clear(ctx); err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := engine.New(engine.Config{
		Log: a.log, Postgres: a.pool.Config().ConnConfig, Set: a.set, BatchEvents: batchEvents,
		Observer: engine.Observer{Folded: func(f engine.Folded) {
			if f.Position.Place() >= a.last.Place() {
				cancel()
			}
		}},
	})
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := p.Run(ctx); err != nil {
		return 0, 0, err
	}
	return len(a.events), time.Since(start), nil
}

func runSQLWorker(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.build(ctx); err != nil {
		return 0, 0, err
	}
	conn, err := a.pool.Acquire(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Release()
	start := time.Now()
	err = baseline.SQLWorker(ctx, conn.Conn(), batchEvents, a.last.Place())
	return len(a.events), time.Since(start), err
}

func runBulkWrite(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.build(ctx); err != nil {
		return 0, 0, err
	}
	w, err := baseline.NewBulkWrite(ctx, a.log, a.set, a.tables, batchEvents, a.last)
	if err != nil {
		return 0, 0, err
	}
	conn, err := a.pool.Acquire(ctx)
	if err != nil {
		return 0, 0, err
	}
	// The session's planner settings must not stay behind in the pool.
	hijacked := conn.Hijack()
	defer func() { _ = hijacked.Close(context.WithoutCancel(ctx)) }()
	start := time.Now()
	err = w.Run(ctx, hijacked.PgConn())
	return len(a.events), time.Since(start), err
}

// runCopyIndexed is the floor of catching up: the final rows by COPY, once each, into
// the tables with their indexes that every contestant writes to.
func runCopyIndexed(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.build(ctx); err != nil {
		return 0, 0, err
	}
	return a.copyRows(ctx, func(context.Context, *pgxpool.Conn, string) error { return nil })
}

// runCopy is the floor of a rebuild: the final rows by COPY into new tables, indexes last.
func runCopy(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.clear(ctx); err != nil {
		return 0, 0, err
	}
	return a.copyRows(ctx, func(ctx context.Context, conn *pgxpool.Conn, sql string) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// copyRows copies the final rows of all tables. ddl is called with the statement that
// makes a table before its rows, and with those that make its indexes after them.
func (a *arena) copyRows(ctx context.Context, ddl func(ctx context.Context, conn *pgxpool.Conn, sql string) error) (int, time.Duration, error) {
	rows, err := a.finalRows(ctx)
	if err != nil {
		return 0, 0, err
	}
	conn, err := a.pool.Acquire(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Release()
	start := time.Now()
	for i, t := range a.tables {
		if err := ddl(ctx, conn, t.CreateTable(t.Name)); err != nil {
			return 0, 0, err
		}
		if err := t.CopyAll(ctx, conn.Conn().PgConn(), rows[i]); err != nil {
			return 0, 0, err
		}
		for _, sql := range t.CreateIndexes(t.Name) {
			if err := ddl(ctx, conn, sql); err != nil {
				return 0, 0, err
			}
		}
	}
	return len(a.events), time.Since(start), nil
}

func runWatermill(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.build(ctx); err != nil {
		return 0, 0, err
	}
	n := min(watermillBacklog, len(a.events))
	backlog := make([]baseline.Message, n)
	for i, e := range a.events[:n] {
		backlog[i] = baseline.Message{Type: e.kind, Data: e.data}
	}
	took, err := baseline.Watermill(ctx, a.pool, backlog)
	return n, took, err
}

// sameWork checks that contestants left the same table behind.
type sameWork struct{ by, digest string }

func (s *sameWork) check(ctx context.Context, a *arena, by string) error {
	if by == "watermill" || by == "rebuild" {
		return nil // one folds a shorter backlog, the other into a second generation
	}
	digest, err := a.digest(ctx)
	if err != nil {
		return err
	}
	if s.by == "" {
		s.by, s.digest = by, digest
	}
	if s.digest != digest {
		return fmt.Errorf("%s left %s, %s %s: they did not do the same work", by, digest, s.by, s.digest)
	}
	return nil
}
