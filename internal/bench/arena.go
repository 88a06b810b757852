package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/bench/story"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/inmemory"
	"github.com/readside/readside/projections"
)

// arena is the database that contestants run in, one after the other.
type arena struct {
	pool   *pgxpool.Pool
	log    *eventlog.Log
	set    *projections.Set
	tables []*hot.Table
	events []story.Stored
	// last is the place of the last event.
	last eventlog.Position
}

// newArena fills the log of a migrated database with the mix. The pool is the owner's.
func newArena(ctx context.Context, pool *pgxpool.Pool, events int) (*arena, error) {
	a := &arena{pool: pool, events: story.Mix(events)}
	var err error
	if err := a.openLog(ctx); err != nil {
		return nil, err
	}
	if a.set, err = story.NewSet(); err != nil {
		return nil, err
	}
	for _, m := range a.set.Views() {
		l, err := hot.NewLayout(m)
		if err != nil {
			return nil, err
		}
		a.tables = append(a.tables, hot.NewTable(l, hot.TableName(m, 1)))
	}
	return a, nil
}

// openLog fills the log with the arena's events and opens it.
func (a *arena) openLog(ctx context.Context) (err error) {
	if err := a.fillLog(ctx); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	if a.log, err = eventlog.Open(ctx, a.pool); err != nil {
		return err
	}
	a.last, err = a.log.Head(ctx)
	return err
}

func (a *arena) fillLog(ctx context.Context) error {
	columns := []string{"source", "stream", "version", "id", "type", "schema_version", "time", "correlation_id", "causation_id", "traceparent", "person_id", "data"}
	_, err := a.pool.CopyFrom(ctx, pgx.Identifier{"eventlog", "events"}, columns, pgx.CopyFromSlice(len(a.events), func(i int) ([]any, error) {
		e := &a.events[i]
		return []any{"bench", e.Stream, e.Version, fmt.Sprintf("%032x", i), e.Kind, 1, e.At, "", "", "", "", e.Data}, nil
	}))
	if err != nil {
		return err
	}
	_, err = a.pool.Exec(ctx, `vacuum analyze eventlog.events`)
	return err
}

// clear leaves no view and no checkpoint, so that the next contestant starts from nothing.
func (a *arena) clear(ctx context.Context) error {
	for _, sql := range []string{
		`drop schema views cascade`, `create schema views`,
		`grant usage, create on schema views to readside_projector`,
		`truncate readside.views, readside.projectors cascade`,
		`checkpoint`,
	} {
		if _, err := a.pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// build makes the empty tables with the indexes that the engine makes.
func (a *arena) build(ctx context.Context) error {
	if err := a.clear(ctx); err != nil {
		return err
	}
	for _, t := range a.tables {
		for _, sql := range append([]string{t.CreateTable(t.Name)}, t.CreateIndexes(t.Name)...) {
			if _, err := a.pool.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
	}
	_, err := a.pool.Exec(ctx, `create table views.checkpoint (place bigint not null); insert into views.checkpoint values (0)`)
	return err
}

// digest is what the order table holds, to see that contestants did the same work.
func (a *arena) digest(ctx context.Context) (string, error) {
	var rows int64
	var sum string
	err := a.pool.QueryRow(ctx, `select count(*), coalesce(sum(hashtextextended(o::text, 0)), 0)::text from views.order_v1_g1 o`).Scan(&rows, &sum)
	return fmt.Sprintf("%d rows, %s", rows, sum), err
}

// finalRows folds the log in memory: what the tables hold in the end.
func (a *arena) finalRows(ctx context.Context) ([][]hot.Image, error) {
	memory := inmemory.New(a.set)
	q := eventlog.Query{Types: a.set.ViewTypes(), Limit: batchEvents, Until: a.last}
	err := a.log.Follow(ctx, a.log.Start(), q, func(_ context.Context, page eventlog.Page) error {
		events, err := a.set.DecodeAll(page.Events)
		if err != nil {
			return err
		}
		return memory.Apply(events)
	})
	if err != nil {
		return nil, err
	}
	joined, err := memory.Joined()
	if err != nil {
		return nil, err
	}
	out := make([][]hot.Image, len(a.tables))
	for i, t := range a.tables {
		for _, r := range joined[i] {
			img, err := t.Encode(r)
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], img)
		}
	}
	return out, nil
}
