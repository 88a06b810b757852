package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog/admission"
	"github.com/readside/readside/eventlog/internal/codec"
	"github.com/readside/readside/eventlog/internal/insert"
	"github.com/readside/readside/eventlog/internal/schema"
)

// AppendEventsMax is how many events one call of Log.Append takes at most.
const AppendEventsMax = 50_000

// Append is what one stream gets: Events that continue it after version Expected.
// A new stream is at version 0.
type Append struct {
	Stream   string
	Expected int64
	Events   []Event
}

// Append appends in the caller's transaction, so that state and events commit
// together, and returns the position of the last event appended. The events' source
// is the role of the transaction. A stream that is not at its expected version, be
// it too low or too high, is a *VersionConflictError and nothing is appended.
//
// An event whose id its source has given to another event, in this call or before, is an
// *IDTakenError, and the transaction is aborted.
//
// Announce to a Notifier after the commit.
func (l *Log) Append(ctx context.Context, tx pgx.Tx, appends ...Append) (Position, error) {
	in, err := newInput(appends)
	if err != nil {
		return Position{}, err
	}
	if in.rows.Len() == 0 {
		return Position{}, errors.New("append: no events given")
	}
	appended, err := in.rows.Append(ctx, tx, in.expected)
	if err != nil {
		return Position{}, in.fault(err)
	}
	if appended.Stream != "" {
		return Position{}, &VersionConflictError{Stream: appended.Stream, Expected: appended.Expected, Actual: appended.Actual}
	}
	if appended.Life != *l.life.Load() {
		if err := l.identifyApart(ctx); err != nil {
			return Position{}, fmt.Errorf("append: %w", err)
		}
	}
	return l.at(appended.Last), nil
}

// input is the appends as rows.
type input struct {
	expected insert.Heads
	rows     insert.Rows
}

// fault is the error of an append, which knows the conflicts that only the unique keys saw.
func (in *input) fault(err error) error {
	if stream, version, taken := in.expected.Taken(err); taken {
		return &VersionConflictError{Stream: stream, Expected: version, Actual: -1}
	}
	if stream, id, taken := in.rows.Taken(err); taken {
		return &IDTakenError{Stream: stream, ID: id}
	}
	return fmt.Errorf("append %d events, first to stream %s: %w", in.rows.Len(), in.expected.Streams[0], schema.Explain(err))
}

func newInput(appends []Append) (*input, error) {
	total := 0
	for _, a := range appends {
		total += len(a.Events)
	}
	if total > AppendEventsMax {
		return nil, fmt.Errorf("append: %d events at once, the most are %d: append in several transactions", total, AppendEventsMax)
	}
	in := &input{}
	ends := make(map[string]int64, len(appends))
	for _, a := range appends {
		if err := in.expect(a, ends); err != nil {
			return nil, err
		}
		for i := range a.Events {
			if err := in.add(a, i); err != nil {
				return nil, err
			}
		}
		ends[a.Stream] = a.Expected + int64(len(a.Events))
	}
	return in, nil
}

// expect notes what the database has to check; a stream that comes twice in one
// call is checked here the second time.
func (in *input) expect(a Append, ends map[string]int64) error {
	if end, twice := ends[a.Stream]; twice {
		if end != a.Expected {
			return &VersionConflictError{Stream: a.Stream, Expected: a.Expected, Actual: end}
		}
		return nil
	}
	if a.Expected < 0 {
		return fmt.Errorf("append to stream %s: expected version %d is below 0", a.Stream, a.Expected)
	}
	in.expected.Streams = append(in.expected.Streams, a.Stream)
	in.expected.Versions = append(in.expected.Versions, a.Expected)
	return nil
}

func (in *input) add(a Append, i int) error {
	e := &a.Events[i]
	version := a.Expected + int64(i) + 1
	if err := errors.Join(checkEvent(a.Stream, e), admission.Version("stream version", version), withoutExtensions(e)); err != nil {
		return &InvalidEventError{Stream: a.Stream, Type: e.Type, ID: e.ID, Err: err}
	}
	in.rows.Add(insert.Row{
		Stream: a.Stream, Version: version, ID: e.ID, Type: e.Type, SchemaVersion: e.SchemaVersion, Time: codec.Normal(e.Time),
		CorrelationID: e.CorrelationID, CausationID: e.CausationID, TraceParent: e.TraceParent, PersonID: e.PersonID, Data: e.Data,
	})
	return nil
}

// withoutExtensions refuses attributes that an append would lose.
func withoutExtensions(e *Event) error {
	if len(e.Extensions) > 0 {
		return errors.New("it has extension attributes, which only events of other systems have: put them into the data")
	}
	return nil
}

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
