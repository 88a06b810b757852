package fault

import (
	"errors"
	"fmt"
	"time"

	"github.com/readside/readside/eventlog"
)

// A version conflict passes where another transaction came first: the next attempt
// loads what that one stored. It does not pass where the service's own state and the log
// differ, as after an import of the log into a database whose services are empty.

// conflictTriesMax and Bounds.Time bound conflicts that differ each time: a stream that so
// many append to is no fault of an event's, until it has lasted so long.
const conflictTriesMax = 50

// Bounds are how long conflicts may last.
type Bounds struct {
	// Retries is how often one and the same conflict is tried again.
	Retries int
	// Time is how long conflicts that differ from each other may last.
	Time time.Duration
}

// lastingError is a conflict that did not pass: the event is to blame.
type lastingError struct {
	err   error
	tries int
	since time.Time
}

func (e *lastingError) Error() string {
	return fmt.Sprintf("after %d tries in %s: %v: the service's own state is not what the log says of this stream, as after an import of the log", e.tries, time.Since(e.since).Round(time.Millisecond), e.err)
}

func (e *lastingError) Unwrap() error { return e.err }

// Conflicts counts the conflicts that one event has met in a row.
type Conflicts struct {
	last        eventlog.VersionConflictError
	same, tries int
	since       time.Time
}

// Add counts an attempt's error, and reports whether it is a conflict.
func (c *Conflicts) Add(err error) (conflict *eventlog.VersionConflictError, met bool) {
	if !errors.As(err, &conflict) {
		*c = Conflicts{}
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

// Again reports whether the last conflict is the same as the one before, for the first time:
// in a fresh transaction it is no other's that came first.
func (c *Conflicts) Again() bool { return c.same == 2 }

// Lasting reports whether the conflict will not pass.
func (c *Conflicts) Lasting(bounds Bounds) bool {
	return c.same > bounds.Retries || c.tries > conflictTriesMax && time.Since(c.since) > bounds.Time
}

// Err is the error of a conflict that lasts: the event is to blame.
func (c *Conflicts) Err(err error) error {
	return &lastingError{err: err, tries: c.tries, since: c.since}
}
