package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A guest is a worker that does not own the projector: it writes under the lock of the
// projector's row, and raises the epoch.

func (p *Projector) newGuest(ctx context.Context, conn *pgx.Conn) *worker {
	return &worker{Projector: p, lease: &lease{}, conn: conn, ctx: ctx, healthy: func() {}}
}

// guestPause ends the transaction of a guest that does nothing, such as a stopped
// process: everybody waits for it.
const guestPause = `set local idle_in_transaction_session_timeout = '1min'`

// lockAsGuest begins the guest's transaction: it locks the projector's row, and only
// then reads where everything stands. (At this level every statement sees what was
// committed before it, whatever the role's default is.)
func (w *worker) lockAsGuest(ctx context.Context) error {
	for _, sql := range []string{"begin isolation level read committed", guestPause} {
		if _, err := w.conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return w.lookAsGuest(ctx, forChange)
}

// lookAsGuest reads where the projector stands; lock is forChange or empty.
func (w *worker) lookAsGuest(ctx context.Context, lock string) error {
	var epoch int64
	err := w.conn.QueryRow(ctx, `select epoch from readside.projectors where name = $1`+lock, w.name).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("there is no projector %s yet: run `readside project` with these definitions first", w.name)
	}
	if err != nil {
		return explain(err)
	}
	if err := w.checkBuilt(ctx, w.conn); err != nil {
		return err
	}
	return w.open(ctx, epoch)
}
