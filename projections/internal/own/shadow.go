package own

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections/control"
)

// A rebuild's rows are worth something as long as all of them were folded by the same
// code, and without the events that were discarded. Its projector, the shadow, notes both
// when it begins: its program, and, as entries of its own, what the projector that it
// rebuilds for has discarded by then. What has changed since shows in a comparison, whatever
// was cut off or came in between.

// ErrStale is returned when a rebuild has to begin from scratch.
var ErrStale = errors.New("what was rebuilt so far is of no use")

// openShadow notes what a rebuild begins with, or compares it where one is resumed.
func (w *Worker) openShadow(ctx context.Context) error {
	return pgx.BeginFunc(ctx, w.Conn, func(tx pgx.Tx) error {
		s, err := control.LockShadow(ctx, tx, w.cfg.Projector.Name)
		switch {
		case err != nil:
			return err
		case s.Epoch != w.Lease.Epoch:
			return control.ErrFenced
		case !s.Begun:
			return w.cfg.Projector.BeginShadow(ctx, tx, w.cfg.Program, w.cfg.ViewNames())
		case s.Program != w.cfg.Program:
			return fmt.Errorf("%w: another program began it", ErrStale)
		}
		return nil
	})
}
