package cold

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Rebuild orders new tables, filled from the log's start. A running projector of this
// name goes over to them at its next step, one that is started later begins with them;
// the mart shows the old ones until the new ones have come as far. Status tells when
// that is: it is Rebuilding until then. Rebuild itself only writes the order.
func (p *Projector) Rebuild(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, p.cfg.Pool, func(tx pgx.Tx) error {
		_, err := newGeneration(ctx, tx, &p.cfg)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotStarted
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("rebuild the facts of cold projector %s: %w", p.cfg.Name, explain(err))
	}
	return nil
}
