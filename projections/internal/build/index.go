package build

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/internal/hot"
)

// index gives a whole table its key and its indexes: sources are looked up by their keys
// from then on. Two are made at a time, the key by the lease holder's first server process and
// others by the second one, while the lease holder's transaction holds the projector. The columns
// are analyzed unless they were already.
func (b *Build) index(ctx context.Context, t *hot.Table, analyzed bool) error {
	if err := b.background.wait(ctx); err != nil {
		return err
	}
	whole, err := clearIndexes(ctx, b.cfg.Conn, t)
	if err != nil || whole {
		return err
	}
	return b.cfg.fenced(ctx, func(tx pgx.Tx) error { return makeIndexes(ctx, t, analyzed, tx.Conn(), b.background.conn) })
}

// indexInBackground begins the same over the second server process only, for a table behind
// which others are copied. No transaction holds the projector meanwhile: a worker that takes over
// ends that process, too, before anything else.
func (b *Build) indexInBackground(ctx context.Context, t *hot.Table, analyzed bool) error {
	return b.background.begin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		whole, err := clearIndexes(ctx, conn, t)
		if err != nil || whole {
			return err
		}
		return makeIndexes(ctx, t, analyzed, conn)
	})
}

// clearIndexes reports whether a table has all of its indexes, the key last; it drops what a
// build left that was cut off while it made them.
func clearIndexes(ctx context.Context, conn *pgx.Conn, t *hot.Table) (whole bool, err error) {
	var left []string
	err = conn.QueryRow(ctx, `select coalesce(bool_or(indisprimary), false), coalesce(array_agg(indexrelid::regclass::text), '{}') from pg_index where indrelid = $1::regclass`, t.Qualified()).Scan(&whole, &left)
	if err != nil || whole {
		return whole, err
	}
	for _, name := range left {
		if _, err := conn.Exec(ctx, "drop index "+name); err != nil {
			return false, err
		}
	}
	return false, nil
}

// makeIndexes makes the key's index, which comes first, and the others, which the second
// connection helps with, if there is one.
func makeIndexes(ctx context.Context, t *hot.Table, analyzed bool, first *pgx.Conn, second ...*pgx.Conn) error {
	others := t.CreateIndexes(t.Name)
	left := make(chan string, len(others))
	for _, sql := range others {
		left <- sql
	}
	close(left)
	group, making := errgroup.WithContext(ctx)
	for _, conn := range second {
		group.Go(func() error { return makeEach(making, conn, left) })
	}
	group.Go(func() error {
		if _, err := first.Exec(making, t.CreateKeyIndex(t.Name)); err != nil {
			return err
		}
		return makeEach(making, first, left)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if _, err := first.Exec(ctx, t.UseKey(t.Name)); err != nil || analyzed {
		return err
	}
	return analyze(ctx, first, t)
}

func makeEach(ctx context.Context, conn *pgx.Conn, statements <-chan string) error {
	for sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
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
