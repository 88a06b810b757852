package build

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/parking"
)

// A build that continues folds the slices that it lacks once more, maybe with code that
// was repaired meanwhile, and meets what cannot be folded again. What it wrote down about
// rows of those slices is forgotten before: else it would count twice, and a retry
// would fold an event that the row has already. Whether whole slices have an event whose
// rows are not known cannot be determined; where one waits, the build begins from scratch.

// resume brings a build that was cut off to where the next attempt can begin.
func (b *Build) resume(ctx context.Context) error {
	entries, err := control.ListParked(ctx, b.cfg.Conn, b.cfg.Projector.Name, "")
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e control.ParkedEvent) bool { return e.State == parking.Discarded })
	if len(entries) == 0 {
		return nil
	}
	if slices.ContainsFunc(entries, func(e control.ParkedEvent) bool { return e.Key == "" }) {
		b.cfg.Logger.InfoContext(ctx, "an event whose rows are not known is parked: the build of the views begins from scratch", "projector", b.cfg.Projector.Name)
		return b.cfg.fenced(ctx, func(tx pgx.Tx) error { return b.beginAgain(ctx, tx) })
	}
	entries = slices.DeleteFunc(entries, func(e control.ParkedEvent) bool {
		return b.done[e.View][int(keyhash.Of(e.Key)&uint64(b.slices-1))]
	})
	return b.cfg.fenced(ctx, func(tx pgx.Tx) error { return b.forget(ctx, tx, entries) })
}

// forget takes entries out of what waits.
func (b *Build) forget(ctx context.Context, tx pgx.Tx, entries []control.ParkedEvent) error {
	for _, e := range entries {
		if _, err := tx.Exec(ctx, control.UnparkSQL, b.cfg.Projector.Name, e.View, e.Position.Place(), e.Key); err != nil {
			return fmt.Errorf("forget what is parked of a slice to be folded anew: %w", err)
		}
	}
	for _, m := range b.cfg.Set.Views() {
		if _, err := tx.Exec(ctx, control.UndegradeSQL, b.cfg.Projector.Name, m.Name); err != nil {
			return fmt.Errorf("forget which rows are degraded: %w", err)
		}
	}
	return nil
}

// beginAgain drops what was built and what was written down about it.
func (b *Build) beginAgain(ctx context.Context, tx pgx.Tx) error {
	clear(b.done)
	return control.ResetBuild(ctx, tx, b.cfg.Projector.Name)
}
