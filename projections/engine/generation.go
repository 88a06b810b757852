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
}

// liveGeneration finds the table that readers read; ok is false where a view's
// version has none yet.
func liveGeneration(ctx context.Context, q rower, m *projections.Model) (g generation, ok bool, err error) {
	err = q.QueryRow(ctx, `select generation, table_name, fingerprint from readside.views where view = $1 and version = $2 and state = 'live'`,
		m.Name, m.Version).Scan(&g.number, &g.table, &g.fingerprint)
	if errors.Is(err, pgx.ErrNoRows) {
		return g, false, nil
	}
	if err != nil {
		return g, false, fmt.Errorf("find the live generation of view %s: %w", m.Name, explain(err))
	}
	return g, true, nil
}

// addGeneration makes the table of a new generation, empty and without indexes.
func addGeneration(ctx context.Context, tx pgx.Tx, projector string, l *hot.Layout, fingerprint, state string) (generation, error) {
	m := l.Model
	g := generation{fingerprint: fingerprint}
	err := tx.QueryRow(ctx, `select coalesce(max(generation), 0) + 1 from readside.views where view = $1 and version = $2`, m.Name, m.Version).Scan(&g.number)
	if err != nil {
		return g, err
	}
	g.table = hot.TableName(m, g.number)
	if _, err := tx.Exec(ctx, `insert into readside.views (view, version, generation, projector, table_name, fingerprint, state, live_at)
values ($1, $2, $3, $4, $5, $6, $7, case when $7 = 'live' then clock_timestamp() end)`,
		m.Name, m.Version, g.number, projector, g.table, fingerprint, state); err != nil {
		return g, err
	}
	_, err = tx.Exec(ctx, l.CreateTable(g.table))
	return g, err
}

func createIndexes(ctx context.Context, tx pgx.Tx, l *hot.Layout, table string) error {
	for _, sql := range l.CreateIndexes(table) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// switchGeneration makes g the one that readers find. Tables are never renamed:
// a reader in an older snapshot goes on in the old one.
func switchGeneration(ctx context.Context, tx pgx.Tx, m *projections.Model, g generation) error {
	if _, err := tx.Exec(ctx, `update readside.views set state = 'retired', retired_at = clock_timestamp() where view = $1 and version = $2 and state = 'live'`,
		m.Name, m.Version); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `update readside.views set state = 'live', live_at = clock_timestamp() where view = $1 and version = $2 and generation = $3`,
		m.Name, m.Version, g.number)
	return err
}

// dropRetired drops generations that no snapshot can need any more.
func dropRetired(ctx context.Context, tx pgx.Tx, m *projections.Model) error {
	rows, err := tx.Query(ctx, `delete from readside.views where view = $1 and version = $2
and (state = 'building' or (state = 'retired' and retired_at < clock_timestamp() - interval '10 minutes')) returning table_name`, m.Name, m.Version)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := tx.Exec(ctx, "drop table if exists "+pgx.Identifier{hot.Schema, t}.Sanitize()); err != nil {
			return err
		}
	}
	return nil
}
