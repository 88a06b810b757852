package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
// version has none yet. One that stands at another projector's checkpoint is an error.
func liveGeneration(ctx context.Context, q rower, projector string, m *projections.Model) (g generation, ok bool, err error) {
	var owner string
	err = q.QueryRow(ctx, `select generation, table_name, fingerprint, projector from readside.views where view = $1 and version = $2 and state = 'live'`,
		m.Name, m.Version).Scan(&g.number, &g.table, &g.fingerprint, &owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return g, false, nil
	}
	if err != nil {
		return g, false, fmt.Errorf("find the live generation of view %s: %w", m.Name, explain(err))
	}
	if owner != projector {
		return g, false, fmt.Errorf("%w %s: view %s version %d belongs to projector %s: leave it out of one of the sets",
			errDefinition, projector, m.Name, m.Version, owner)
	}
	return g, true, nil
}

// retireOthers takes the projector's views that the set does not fold away from
// readers: nobody moves them with the checkpoint any more.
func retireOthers(ctx context.Context, conn *pgx.Conn, projector string, set *projections.Set) error {
	var names []string
	var versions []int
	for _, m := range set.Views() {
		names, versions = append(names, m.Name), append(versions, m.Version)
	}
	_, err := conn.Exec(ctx, `update readside.views v set state = 'retired', retired_at = clock_timestamp()
where projector = $1 and state = 'live'
  and not exists (select from unnest($2::text[], $3::int[]) folded (view, version) where folded.view = v.view and folded.version = v.version)`,
		projector, names, versions)
	if err != nil {
		return fmt.Errorf("retire the views that projector %s folds no more: %w", projector, err)
	}
	return nil
}

// addGeneration makes the table of a new generation, empty and without indexes.
func addGeneration(ctx context.Context, tx pgx.Tx, projector string, l *hot.Layout, fingerprint, state string) (generation, error) {
	m := l.Model
	g := generation{fingerprint: fingerprint}
	// Tables count too: their rows in readside.views may have been dropped.
	err := tx.QueryRow(ctx, `select coalesce(max(generation), 0) + 1 from (
  select generation from readside.views where view = $1 and version = $2
  union all
  select substring(tablename from '[0-9]+$')::int from pg_tables where schemaname = $3 and tablename ~ ('^' || $4 || '_g[0-9]{1,9}$')
) used`, m.Name, m.Version, hot.Schema, m.Table()).Scan(&g.number)
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

// dropRetired drops generations that no snapshot can need any more. One that somebody
// still reads is left for the next time: a projector does not wait for strangers.
func dropRetired(ctx context.Context, conn *pgx.Conn, m *projections.Model) error {
	rows, err := conn.Query(ctx, `select table_name from readside.views where view = $1 and version = $2
and state = 'retired' and retired_at < clock_timestamp() - interval '10 minutes'`, m.Name, m.Version)
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, t := range tables {
		var pg *pgconn.PgError
		if err := dropTable(ctx, conn, t); err != nil && (!errors.As(err, &pg) || pg.Code != lockNotAvailable) {
			return err
		}
	}
	return nil
}

const lockNotAvailable = "55P03"

func dropTable(ctx context.Context, conn *pgx.Conn, table string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"set local lock_timeout = '200ms'",
			"drop table if exists " + pgx.Identifier{hot.Schema, table}.Sanitize(),
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `delete from readside.views where table_name = $1`, table)
		return err
	})
}
