package reaction

import (
	"context"
	"fmt"

	"github.com/readside/readside/eventlog/reaction/internal/fault"
)

// conflicted judges the error of an attempt at one event. It returns nil where the log
// shows that the reaction to the event happened: another life of this service, whose
// inbox is not here, appended what it caused.
func (r *Reactor) conflicted(ctx context.Context, d *delivery, err error) error {
	conflict, met := d.conflicts.Add(err)
	if !met {
		return err
	}
	if d.conflicts.Again() { // the state is not the log's
		known, lookErr := r.happened(ctx, d, conflict.Stream)
		if lookErr != nil {
			return lookErr
		}
		if known {
			return nil
		}
	}
	if d.conflicts.Lasting(r.conflictBounds()) {
		return d.conflicts.Err(err)
	}
	return err
}

func (r *Reactor) conflictBounds() fault.Bounds {
	return fault.Bounds{Retries: r.config.RetriesMax, Time: r.config.ConflictTime}
}

const happenedSQL = `select exists (select from eventlog.events where stream = $1 and causation_id = $2 and source = current_user)`

// happened enters an event into the inbox where the stream has an event of this service
// that it caused, and reports whether it has.
func (r *Reactor) happened(ctx context.Context, d *delivery, stream string) (known bool, err error) {
	tx, err := r.config.Pool.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("%w: begin: %w", fault.ErrConnection, err)
	}
	defer rollback(tx)
	if err := tx.QueryRow(ctx, happenedSQL, stream, d.events[0].ID).Scan(&known); err != nil {
		return false, fmt.Errorf("%w: look whether the reaction happened: %w", fault.ErrConnection, err)
	}
	if !known {
		return false, nil
	}
	if _, err := r.take(ctx, tx, d); err != nil {
		return false, err
	}
	if err := tx.Commit(ctx); err != nil {
		return false, fault.OfCommit(err)
	}
	r.logger.InfoContext(ctx, "the log shows that the service reacted to this event before: it is passed over",
		"type", d.events[0].Type, "event", d.events[0].ID, "stream", stream)
	return true, nil
}
