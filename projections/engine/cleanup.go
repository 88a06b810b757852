package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/own"
)

// The lease holder drops what no reader needs any more: retired generations, the views of
// former definitions, rebuilds that nobody resumes. None of that is worth a halt: what
// somebody still reads, or what cannot be dropped, stays until next time.

const (
	// tidyEvery is how often a lease holder looks for what nobody needs any more.
	tidyEvery = 10 * time.Minute
	// tidyPatience is how long it waits for a table: it has work to do.
	tidyPatience = 200 * time.Millisecond
)

// tidy drops what nobody needs. It fails only where the lease holder cannot continue either.
func (p *Projector) tidy(ctx context.Context, w *own.Worker) error {
	err := errors.Join(p.setVacuuming(ctx, w.Conn), control.DropRetired(ctx, w.Conn, p.Name(), tidyPatience))
	if !w.Turn.Building() { // until this one serves, a former one does
		err = errors.Join(err, p.dropForgotten(ctx, w.Conn))
	}
	if err == nil || ctx.Err() != nil || w.Conn.IsClosed() {
		return err
	}
	p.cfg.Logger.WarnContext(ctx, "what nobody needs could not be dropped: it stays until next time", "projector", p.Name(), "error", err)
	return nil
}

// setVacuuming gives tables of older versions the settings that new ones are made with.
func (p *Projector) setVacuuming(ctx context.Context, conn *pgx.Conn) error {
	tables, err := control.Unvacuumed(ctx, conn, p.Name())
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tables {
		_, err := control.UnlessLocked(ctx, conn, tidyPatience, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, hot.Vacuumed(t))
			return err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("set how the table %s is vacuumed: %w", t, err))
		}
	}
	return errors.Join(errs...)
}

// dropForgotten drops the projectors of this base with other definitions, and the
// rebuilds of its own views, that nobody has worked for since longer than a rollback
// may take.
func (p *Projector) dropForgotten(ctx context.Context, conn *pgx.Conn) error {
	keep := max(p.cfg.RollbackWindow, 0) // while somebody has the lease, it stays
	forgotten, err := p.own.Projector.IdleProjectors(ctx, conn, keep)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range forgotten {
		dropped, err := control.DropProjector(ctx, conn, name, keep, tidyPatience)
		if err != nil {
			errs = append(errs, err)
		}
		if dropped {
			p.cfg.Logger.InfoContext(ctx, "dropped views that nobody has worked for, of former definitions or of a rebuild", "projector", name)
		}
	}
	return errors.Join(errs...)
}
