package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// generation is a row of readside.views.
type generation struct {
	number      int
	table       string
	fingerprint string
	state       string
}

const genLive = "live"

// liveGeneration finds the table of a projector's view that readers read; ok is false
// where there is none yet.
func liveGeneration(ctx context.Context, q rower, projector string, m *projections.Model) (g generation, ok bool, err error) {
	g, ok, err = writtenGeneration(ctx, q, projector, m)
	return g, ok && g.state == genLive, err
}

// writtenGeneration finds the table that a projector writes a view to.
func writtenGeneration(ctx context.Context, q rower, projector string, m *projections.Model) (g generation, ok bool, err error) {
	err = q.QueryRow(ctx, `select generation, table_name, fingerprint, state from readside.views where projector = $1 and view = $2 and state <> 'retired'`,
		projector, m.Name).Scan(&g.number, &g.table, &g.fingerprint, &g.state)
	if errors.Is(err, pgx.ErrNoRows) {
		return g, false, nil
	}
	if err != nil {
		return g, false, fmt.Errorf("find the generation of view %s: %w", m.Name, explain(err))
	}
	return g, true, nil
}

// addGeneration makes the table of a new generation, empty: with its indexes, or as a
// heap.
func (p *Projector) addGeneration(ctx context.Context, tx pgx.Tx, l *hot.Layout, create func(*hot.Layout, string) string) error {
	m := l.Model
	// One at a time for each view: two projectors would take the same number.
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('readside.generation:' || $1, 0))`, m.Table()); err != nil {
		return err
	}
	// Tables count too: their rows in readside.views may have been dropped.
	var number int
	err := tx.QueryRow(ctx, `select coalesce(max(generation), 0) + 1 from (
  select generation from readside.views where view = $1 and version = $2
  union all
  select substring(tablename from '[0-9]+$')::int from pg_tables where schemaname = $3 and tablename ~ ('^' || $4 || '_g[0-9]{1,9}$')
) used`, m.Name, m.Version, hot.Schema, m.Table()).Scan(&number)
	if err != nil {
		return err
	}
	table := hot.TableName(m, number)
	if _, err := tx.Exec(ctx, `insert into readside.views (view, version, generation, projector, table_name, fingerprint, state)
values ($1, $2, $3, $4, $5, $6, 'building')`, m.Name, m.Version, number, p.name, table, m.Fingerprint()); err != nil {
		return err
	}
	ddl := create(l, table)
	if _, err := tx.Exec(ctx, ddl); err != nil || ddl != l.CreateTable(table) {
		return err
	}
	return createIndexes(ctx, tx, l, table)
}

// createIndexes makes a table's indexes, those that it has not yet.
func createIndexes(ctx context.Context, tx pgx.Tx, l *hot.Layout, table string) error {
	for _, sql := range l.CreateIndexes(table) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// activateSQL makes what was built visible to readers, all at once.
const activateSQL = `update readside.views set state = 'live', live_at = clock_timestamp() where projector = $1::text and state = 'building'`
