package engine

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/projections/hot"
)

// index gives a whole table its key and its indexes, once: sources are looked up by
// their keys from then on. Two are made at a time, the key by the owner's server process
// and others by the second one, while the owner's transaction holds the projector. The
// columns are analyzed unless they were already.
func (b *build) index(ctx context.Context, t *hot.Table, analyzed bool) error {
	var has, leftovers bool
	err := b.conn.QueryRow(ctx, `select coalesce(bool_or(indisprimary), false), count(*) > 0 from pg_index where indrelid = $1::regclass`, t.Qualified()).Scan(&has, &leftovers)
	if err != nil || has {
		return err
	}
	if leftovers {
		if err := b.fenced(ctx, func(tx pgx.Tx) error { return dropIndexes(ctx, tx, t) }); err != nil {
			return err
		}
	}
	return b.fenced(ctx, func(tx pgx.Tx) error {
		if err := b.makeIndexes(ctx, tx, t); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, t.UseKey(t.Name)); err != nil || analyzed {
			return err
		}
		return analyze(ctx, tx.Conn(), t)
	})
}

// makeIndexes makes the key's index, which comes first, and the others.
func (b *build) makeIndexes(ctx context.Context, tx pgx.Tx, t *hot.Table) error {
	others := t.CreateIndexes(t.Name)
	if len(others) == 0 {
		_, err := tx.Exec(ctx, t.CreateKeyIndex(t.Name))
		return err
	}
	left := make(chan string, len(others))
	for _, sql := range others {
		left <- sql
	}
	close(left)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return makeEach(ctx, b.second, left) })
	group.Go(func() error {
		if _, err := tx.Exec(ctx, t.CreateKeyIndex(t.Name)); err != nil {
			return err
		}
		return makeEach(ctx, tx.Conn(), left)
	})
	return group.Wait()
}

func makeEach(ctx context.Context, conn *pgx.Conn, statements <-chan string) error {
	for sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// dropIndexes takes away what a build left that was cut off while it made them.
func dropIndexes(ctx context.Context, tx pgx.Tx, t *hot.Table) error {
	rows, err := tx.Query(ctx, `select indexrelid::regclass::text from pg_index where indrelid = $1::regclass`, t.Qualified())
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := tx.Exec(ctx, "drop index "+name); err != nil {
			return err
		}
	}
	return nil
}

// firstTarget is the statistics target of a table just filled: 9,000 rows are looked at.
const firstTarget = 30

// analyze lets the planner know the columns that stand in an index, which is what views
// are asked by, and the state. The others would take as long as the indexes do;
// autovacuum comes for them, and looks at more rows.
func analyze(ctx context.Context, conn *pgx.Conn, t *hot.Table) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`set local default_statistics_target = %d; analyze %s (%s)`, firstTarget, t.Qualified(), t.Sought()))
	return err
}
