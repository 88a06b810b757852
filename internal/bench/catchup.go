package bench

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/bench/baseline"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/shop"
)

// batchEvents is the batch of every contestant that batches.
const batchEvents = 10_000

// watermillBacklog is the backlog of the naive handler, whose rate falls with it.
const watermillBacklog = 20_000

// contestant folds a backlog; run returns how many events and how long.
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
		{"copy_batches", runCopyBatches},
		{"watermill", runWatermill},
	}
}

// never and always are the sizes of a log from which a projector builds its first rows
// slice by slice.
const (
	never  = -1
	always = 1
)

// runEngine folds the log batch by batch, as its rivals do.
func runEngine(ctx context.Context, a *arena) (int, time.Duration, error) {
	return a.project(ctx, never)
}

// project runs a new projector until its views show the whole log.
func (a *arena) project(ctx context.Context, buildAbove int) (int, time.Duration, error) {
	if err := a.clear(ctx); err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := engine.New(engine.Config{
		Application: shop.Application,
		Log:         a.log, Postgres: a.pool.Config().ConnConfig, Set: a.set, BatchEvents: batchEvents, BuildAbove: buildAbove, Logger: slog.New(slog.DiscardHandler),
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
	return a.runReady(ctx, func(ctx context.Context, w *baseline.BulkWrite, conn *pgconn.PgConn) error {
		return w.Run(ctx, conn)
	})
}

// runReady measures run, which is given all batches ready-made.
func (a *arena) runReady(ctx context.Context, run func(context.Context, *baseline.BulkWrite, *pgconn.PgConn) error) (int, time.Duration, error) {
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
	err = run(ctx, w, hijacked.PgConn())
	return len(a.events), time.Since(start), err
}

// runCopyBatches is the floor of catching up: every row that the batches write, new or
// changed, by COPY into tables without keys, in the same transactions. What joins bring
// to rows that a batch did not touch is not among them.
func runCopyBatches(ctx context.Context, a *arena) (int, time.Duration, error) {
	return a.runReady(ctx, func(ctx context.Context, w *baseline.BulkWrite, conn *pgconn.PgConn) error {
		for _, t := range a.tables {
			if _, err := a.pool.Exec(ctx, fmt.Sprintf("alter table %s drop constraint %s_pkey", t.Qualified(), t.Name)); err != nil {
				return err
			}
		}
		return w.Copy(ctx, conn)
	})
}

// runCopy is the floor of a rebuild: the final rows by COPY into new tables, indexes last.
func runCopy(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.clear(ctx); err != nil {
		return 0, 0, err
	}
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
		if err := filled(ctx, conn.Conn(), t, func() error { return t.CopyAll(ctx, conn.Conn().PgConn(), rows[i]) }); err != nil {
			return 0, 0, err
		}
	}
	return len(a.events), time.Since(start), nil
}

// filled makes a table, lets it be filled, and gives it its key and its indexes last,
// which is faster than to have the key from the beginning.
func filled(ctx context.Context, conn *pgx.Conn, t *hot.Table, fill func() error) error {
	if _, err := conn.Exec(ctx, t.CreateHeap(t.Name)); err != nil {
		return err
	}
	if err := fill(); err != nil {
		return err
	}
	for _, sql := range append([]string{t.AddKey(t.Name)}, t.CreateIndexes(t.Name)...) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func runWatermill(ctx context.Context, a *arena) (int, time.Duration, error) {
	if err := a.build(ctx); err != nil {
		return 0, 0, err
	}
	n := min(watermillBacklog, len(a.events))
	backlog := make([]baseline.Message, n)
	for i, e := range a.events[:n] {
		backlog[i] = baseline.Message{Type: e.Kind, Data: e.Data}
	}
	took, err := baseline.Watermill(ctx, a.pool, backlog)
	return n, took, err
}

// otherTables are contestants that leave other tables behind: a shorter backlog, every
// version of a row, a second generation, which was compared with the first.
var otherTables = []string{"watermill", "copy_batches", "rebuild", "rebuild_compared"}

// sameWork checks that contestants left the same table behind.
type sameWork struct{ by, digest string }

func (s *sameWork) check(ctx context.Context, a *arena, by string) error {
	if slices.Contains(otherTables, by) {
		return nil
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
