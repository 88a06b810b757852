package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
	"github.com/readside/readside/projections/replay"
)

// A build that goes on folds the slices that it lacks once more, maybe with code that
// is mended by now, and meets what cannot be folded again. What it wrote down about
// rows of those slices is forgotten before: else it would count twice, and a retry
// would fold an event that the row has already. Of an event whose rows are not known
// nobody can say whether whole slices have it; where one waits, all begins anew.

// goOn brings a build that was cut off to where the next attempt can begin.
func (b *build) goOn(ctx context.Context) error {
	entries, err := b.listParked(ctx, b.conn, "")
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e Parked) bool { return e.State == parking.Discarded })
	if len(entries) == 0 {
		return nil
	}
	if slices.ContainsFunc(entries, func(e Parked) bool { return e.Key == "" }) {
		b.cfg.Logger.InfoContext(ctx, "an event whose rows are not known is parked: the build of the views begins anew", "projector", b.name)
		return b.fenced(ctx, func(tx pgx.Tx) error { return b.beginAnew(ctx, tx) })
	}
	entries = slices.DeleteFunc(entries, func(e Parked) bool {
		return b.done[e.View][int(replay.Hash(e.Key)&uint64(b.slices-1))]
	})
	return b.fenced(ctx, func(tx pgx.Tx) error { return b.forget(ctx, tx, entries) })
}

// forget takes entries out of what waits.
func (b *build) forget(ctx context.Context, tx pgx.Tx, entries []Parked) error {
	for _, e := range entries {
		if _, err := tx.Exec(ctx, unparkSQL, b.name, e.View, e.Position.Place(), e.Key); err != nil {
			return fmt.Errorf("forget what is parked of a slice to be folded anew: %w", err)
		}
	}
	for _, m := range b.cfg.Set.Views() {
		if _, err := tx.Exec(ctx, undegradeSQL, b.name, m.Name); err != nil {
			return fmt.Errorf("forget which rows are degraded: %w", err)
		}
	}
	return nil
}

// beginAnew drops what was built and what was written down about it.
func (b *build) beginAnew(ctx context.Context, tx pgx.Tx) error {
	for _, l := range b.layouts {
		g, ok, err := writtenGeneration(ctx, tx, b.name, l.Model)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if _, err := tx.Exec(ctx, `drop table `+pgx.Identifier{hot.Schema, g.table}.Sanitize()); err != nil {
			return fmt.Errorf("drop what was built of view %s: %w", l.Model.Name, err)
		}
	}
	for _, sql := range []string{
		`delete from readside.views where projector = $1`,
		`delete from readside.slices where projector = $1`,
		`delete from readside.parked where projector = $1 and state <> 'discarded'`,
		`delete from readside.degraded where projector = $1`,
	} {
		if _, err := tx.Exec(ctx, sql, b.name); err != nil {
			return fmt.Errorf("drop what was built: %w", err)
		}
	}
	clear(b.done)
	return nil
}

// checkBuilt refuses a guest while the tables lack slices: those bring whole rows.
func (p *Projector) checkBuilt(ctx context.Context, conn *pgx.Conn) error {
	var until int64
	err := conn.QueryRow(ctx, `select until from readside.builds where projector = $1`, p.name).Scan(&until)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return explain(err)
	}
	return fmt.Errorf("%s is still building its views, up to place %d: mend rows when all are built", p.name, until)
}
