package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
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
		return fmt.Errorf("there is no projector %s yet: %w", w.name, ErrNoProjector)
	}
	if err != nil {
		return explain(err)
	}
	if err := w.checkBuilt(ctx, w.conn); err != nil {
		return err
	}
	return w.open(ctx, epoch)
}

// spread is how rows that a guest changed itself reach the views that join them: in its
// transaction, in topological order, and with the epoch raised, so that the lease holder
// forgets what it knows. (A retry's rows are folded like a batch's, which fans out too.)
// Rows whose joins fail are parked as a batch's are.
func (w *worker) spread(ctx context.Context, view int, changed []hot.Source) error {
	failing := map[parking.Row]*projections.FoldError{}
	for {
		b := &batch{from: w.at, next: w.at}
		a := attemptAt(w.cfg.Set, w.parking, b, failing)
		err := w.spreadOnce(ctx, newFolding(w.cfg.Set, w.cache, w.session, w.session, b, a), view, changed)
		var faults foldErrors
		switch {
		case err == nil:
			a.Commit()
			w.tell(ctx, a)
			w.cache.trim(w.cache.batch)
			w.epoch++
			return nil
		case !errors.As(err, &faults):
			return err
		}
		if err := w.note(failing, faults); err != nil {
			return err
		}
		if err := w.backToMark(ctx); err != nil {
			return err
		}
	}
}

func (w *worker) spreadOnce(ctx context.Context, f *folding, view int, changed []hot.Source) error {
	w.session.Queue(markSQL)
	f.views[view].changed = changed
	if err := w.foldAttempt(ctx, f); err != nil {
		return err
	}
	f.attempt.queue(w.session, w.name)
	w.session.Add(hot.Op{SQL: raiseEpochSQL, Rows: 1, Params: [][]byte{[]byte(w.name), hot.Int64(w.epoch)}})
	return w.session.Flush(ctx)
}
