package eventlog

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrNoSchema: the database has no log.
	ErrNoSchema = errors.New("the log's tables are missing in this database: it is not migrated")
	// ErrStandby: a hot standby cannot prove which events are still on their way.
	ErrStandby = errors.New("this server is a hot standby, where the log cannot be read safely: connect to the primary")
	// ErrTruncated: the events asked for were archived away.
	ErrTruncated = errors.New("the log begins later: its head was archived")
	// ErrMoved: another log stands at the address than the one that was opened there.
	ErrMoved = errors.New("the database holds another log than the one that this process opened: start the process again")
)

// VersionConflictError is returned when a stream is not at the version that the append
// expected. The transaction has appended nothing.
type VersionConflictError struct {
	Stream   string
	Expected int64
	// Actual is the stream's version, or -1 when another transaction appended at this
	// very moment; then the caller's transaction is aborted.
	Actual int64
}

func (e *VersionConflictError) Error() string {
	if e.Actual < 0 {
		return fmt.Sprintf("stream %s: another transaction appended after version %d first: load the stream again and retry", e.Stream, e.Expected)
	}
	return fmt.Sprintf("stream %s is at version %d, not %d: load the stream again and retry", e.Stream, e.Actual, e.Expected)
}

// IDTakenError is returned for an event whose id its source has given to another event
// already. The caller's transaction is aborted.
type IDTakenError struct {
	// Stream is the one that the event was to be appended to.
	Stream, ID string
}

func (e *IDTakenError) Error() string {
	return fmt.Sprintf("the event for stream %s has an id that names another event of this source already, %s: give every event an id of its own, as NewEvent does", e.Stream, e.ID)
}

// InvalidEventError says what is wrong with an event that was to be appended.
type InvalidEventError struct {
	Stream, Type, ID string
	Err              error
}

func (e *InvalidEventError) Error() string {
	return fmt.Sprintf("event %s (%s) of stream %s: %v", e.ID, e.Type, e.Stream, e.Err)
}

func (e *InvalidEventError) Unwrap() error { return e.Err }
