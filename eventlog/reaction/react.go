package reaction

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction/internal/fault"
)

// react handles one message: a run of events in one transaction.
func (r *Reactor) react(msg *message.Message) error {
	d, ok := deliveryOf(msg)
	if !ok {
		return fmt.Errorf("message %s carries no events of the log: only the reactor's own subscriber feeds it", msg.UUID)
	}
	if d.done {
		// Committed in an attempt whose later steps were retried: never twice.
		return nil
	}
	fresh, err := r.handle(msg.Context(), d)
	if err != nil {
		if len(d.events) > 1 {
			return fault.OfRun(len(d.events), err)
		}
		if err = r.conflicted(msg.Context(), d, err); err != nil {
			r.troubled(err)
			return err
		}
	}
	d.done = true
	r.moved(d.next)
	if len(fresh) > 0 {
		r.deadInRow = 0
		r.config.Notifier.Announce()
		if observe := r.config.Observer.Committed; observe != nil {
			observe(fresh)
		}
	}
	return nil
}

// handle is the service's transaction. Of a connection lost at COMMIT nothing is
// guessed: the events come again, and the inbox knows.
func (r *Reactor) handle(ctx context.Context, d *delivery) (fresh []eventlog.Event, err error) {
	tx, err := r.config.Pool.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: begin: %w", fault.ErrConnection, err)
	}
	defer rollback(tx)
	if fresh, err = r.take(ctx, tx, d); err != nil {
		return nil, err
	}
	err = r.config.Around(ctx, tx, func(ctx context.Context) error { return r.handleEach(ctx, tx, fresh) })
	if err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, fault.OfCommit(err)
	}
	return fresh, nil
}

func (r *Reactor) handleEach(ctx context.Context, tx pgx.Tx, events []eventlog.Event) error {
	for i := range events {
		e := &events[i]
		if err := r.handlers[e.Type](ctx, tx, e); err != nil {
			return fmt.Errorf("%s %s of stream %s: %w", e.Type, e.ID, e.Stream, err)
		}
	}
	return nil
}

// rollback ends what was not committed; after a commit it does nothing. It takes a
// context of its own, since the message's may have ended.
func rollback(tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.Background(), rollbackBound)
	defer cancel()
	_ = tx.Rollback(ctx) // a connection that cannot roll back is closed by the pool
}
