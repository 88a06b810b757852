package projections

import (
	"fmt"

	"github.com/readside/readside/eventlog"
)

// FoldError is a deterministic fault: the same event would fail again in the same
// way. It halts the projector. (Infrastructure's errors are not FoldErrors; those
// are tried again.)
type FoldError struct {
	// View and Key say which row; Key is empty where it could not be read.
	View, Key string
	// Position, Type and Stream say which event.
	Position     eventlog.Position
	Type, Stream string
	// Err is the cause; Hint says how to mend it.
	Err  error
	Hint string
}

func (e *FoldError) Error() string {
	return fmt.Sprintf("view %s, key %q, event %s of stream %s at place %d: %v (%s)",
		e.View, e.Key, e.Type, e.Stream, e.Position.Place(), e.Err, e.Hint)
}

func (e *FoldError) Unwrap() error { return e.Err }

const (
	hintHandler = "mend the handler, raise the view's Version if its meaning changes, and start the projector again"
	hintDecode  = "register an upcaster for this version of the event type, or mend the producer, and start the projector again"
	hintKey     = "a key is a non-empty string of at most 512 bytes of valid UTF-8 without NUL: mend the handler's key function"
	hintJoined  = "handlers write own columns only: let a join fill this one"
	hintStore   = "mend the handler so that the value can be stored: times in UTC and whole microseconds, text without NUL, and in a column with an index not over 2,000 bytes"
)

// Unstorable is the fault of a value that the store cannot hold exactly.
func Unstorable(view, key string, m Meta, eventType string, err error) *FoldError {
	return &FoldError{View: view, Key: key, Position: m.Position, Type: eventType, Stream: m.Stream, Err: err, Hint: hintStore}
}
