package projections

import (
	"fmt"

	"github.com/readside/readside/eventlog"
)

// FoldError is a deterministic fault: the same event would fail again in the same
// way, so it is parked, with what follows on the same row behind it. (Infrastructure's
// errors are not FoldErrors; those are tried again.)
type FoldError struct {
	// View and Key say which row; Key is empty where it could not be read.
	View, Key string
	// Position, Type and Stream say which event.
	Position     eventlog.Position
	Type, Stream string
	// Reason is the kind of fault, one of the Reason constants.
	Reason string
	// Err is the cause; Hint says how to mend it.
	Err  error
	Hint string
}

// The kinds of faults, as they are stored and shown.
const (
	ReasonUndecodable = "undecodable" // the data does not fit, or is of an unknown version
	ReasonKey         = "key"         // the key function failed, or answered what is no key
	ReasonHandler     = "handler"     // a handler answered an error
	ReasonPanic       = "panic"       // a handler panicked
	ReasonUnstorable  = "unstorable"  // the row holds a value that cannot be stored
	ReasonJoin        = "join"        // a join's function panicked, or asked for what it did not name
)

func (e *FoldError) Error() string {
	event := ""
	if e.Type != "" { // it has none where nobody knows which event it was
		event += " event " + e.Type
	}
	if e.Stream != "" {
		event += " of stream " + e.Stream
	}
	if place := e.Position.Place(); place > 0 { // a join has none where nobody knows what changed
		event += fmt.Sprintf(" at place %d", place)
	}
	if event != "" {
		event = "," + event
	}
	return fmt.Sprintf("view %s, key %q%s: %v (%s)", e.View, e.Key, event, e.Err, e.Hint)
}

func (e *FoldError) Unwrap() error { return e.Err }

// ThenRetry ends the hints of faults that wait for an operator's retry. Where nothing is
// parked, as in a test, it is to be left out.
const ThenRetry = ", and retry what is parked"

const (
	hintHandler  = "mend the handler, raise the view's Version if its meaning changes" + ThenRetry
	hintDecode   = "register an upcaster for this version of the event type, or mend the producer" + ThenRetry
	hintJoin     = "mend the join's functions" + ThenRetry
	hintKey      = "a key is a non-empty string of at most 512 bytes of valid UTF-8 without NUL: mend the handler's key function"
	hintJoined   = "handlers write own columns only: let a join fill this one"
	hintBound    = "mend the handler or the join, or declare the value or a larger scale" + ThenRetry
	hintOverflow = "the sum is too large for its column: discard the event if it is wrong, or keep the sum in a larger unit" + ThenRetry
	hintStore    = "mend the handler so that the value can be stored: times in UTC and whole microseconds, text without NUL, and in a column with an index not over 2,000 bytes"
)

// Unstorable is the fault of a value that the store cannot hold exactly.
func Unstorable(view, key string, m Meta, eventType string, err error) *FoldError {
	return &FoldError{View: view, Key: key, Position: m.Position, Type: eventType, Stream: m.Stream, Reason: ReasonUnstorable, Err: err, Hint: hintStore}
}
