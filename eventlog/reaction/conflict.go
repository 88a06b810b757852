package reaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/readside/readside/eventlog"
)

// A version conflict passes where another transaction came first: the next attempt
// loads what that one stored. It does not pass where the service's own state and the log
// differ, as after an import of the log into a database whose services are empty.

// conflictTriesMax and Config.ConflictTime bound conflicts that differ each time: a
// stream that so many append to is no fault of an event's, until it has lasted so long.
const conflictTriesMax = 50

// lastingConflict is a conflict that did not pass: the event is to blame.
type lastingConflict struct {
	err   error
	tries int
	since time.Time
}

func (e *lastingConflict) Error() string {
	return fmt.Sprintf("after %d tries in %s: %v: the service's own state is not what the log says of this stream, as after an import of the log", e.tries, time.Since(e.since).Round(time.Millisecond), e.err)
}

func (e *lastingConflict) Unwrap() error { return e.err }

// conflicts counts the conflicts that one event has met in a row.
type conflicts struct {
	last        eventlog.VersionConflictError
	same, tries int
	since       time.Time
}

// add counts an attempt's error.
func (c *conflicts) add(err error) (conflict *eventlog.VersionConflictError, met bool) {
	if !errors.As(err, &conflict) {
		*c = conflicts{}
		return nil, false
	}
	if c.tries == 0 {
		c.since = time.Now()
	}
	c.tries++
	// At -1 another transaction was at it in that very moment.
	if *conflict == c.last && conflict.Actual >= 0 {
		c.same++
	} else {
		c.last, c.same = *conflict, 1
	}
	return conflict, true
}

// lasting reports whether the conflict will not pass.
func (c *conflicts) lasting(config *Config) bool {
	return c.same > config.RetriesMax || c.tries > conflictTriesMax && time.Since(c.since) > config.ConflictTime
}

// conflicted judges the error of an attempt at one event. It returns nil where the log
// shows that the reaction to the event happened: another life of this service, whose
// inbox is not here, appended what it caused.
func (r *Reactor) conflicted(ctx context.Context, d *delivery, err error) error {
	conflict, met := d.conflicts.add(err)
	if !met {
		return err
	}
	if d.conflicts.same == 2 { // the same again in a fresh transaction: the state is not the log's
		known, lookErr := r.happened(ctx, d, conflict.Stream)
		if lookErr != nil {
			return lookErr
		}
		if known {
			return nil
		}
	}
	if d.conflicts.lasting(&r.config) {
		return &lastingConflict{err: err, tries: d.conflicts.tries, since: d.conflicts.since}
	}
	return err
}

const happenedSQL = `select exists (select from eventlog.events where stream = $1 and causation_id = $2 and source = current_user)`

// happened enters an event into the inbox where the stream has an event of this service
// that it caused, and reports whether it has.
func (r *Reactor) happened(ctx context.Context, d *delivery, stream string) (known bool, err error) {
	tx, err := r.config.Pool.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("%w: begin: %w", errConnection, err)
	}
	defer rollback(tx)
	if err := tx.QueryRow(ctx, happenedSQL, stream, d.events[0].ID).Scan(&known); err != nil {
		return false, fmt.Errorf("%w: look whether the reaction happened: %w", errConnection, err)
	}
	if !known {
		return false, nil
	}
	if _, err := r.take(ctx, tx, d); err != nil {
		return false, err
	}
	if err := tx.Commit(ctx); err != nil {
		return false, commitError(err)
	}
	r.logger.InfoContext(ctx, "the log shows that the service reacted to this event before: it is passed over",
		"type", d.events[0].Type, "event", d.events[0].ID, "stream", stream)
	return true, nil
}
