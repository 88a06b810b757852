package eventlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog/admission"
	"github.com/readside/readside/eventlog/internal/codec"
)

// Event is one domain event with the attributes of its CloudEvents 1.0 envelope.
type Event struct {
	// Position is the event's place in the log; zero until it is appended.
	Position Position
	// ID is unique within Source.
	ID string
	// Source is the service that published the event; in the log, the database role that appended it.
	Source string
	// Type is the name of the event type, for example "ordering.OrderPaid".
	Type string
	// SchemaVersion is the version of Type that Data is written in, from 1.
	SchemaVersion int
	// Stream is the aggregate's stream, the CloudEvents subject.
	Stream string
	// StreamVersion is the event's number in its stream, from 1.
	StreamVersion int64
	// Time is when it happened, in UTC, in whole microseconds.
	Time time.Time
	// CorrelationID is common to all that one command set off; CausationID is the id of
	// the command or event that caused this one; TraceParent is the W3C trace context.
	CorrelationID, CausationID, TraceParent string
	// PersonID is whose personal data the event carries, if any.
	PersonID string
	// Data is the event itself, a JSON object.
	Data json.RawMessage
	// Extensions are attributes of the envelope that have no field here, as a JSON object of
	// their names; nil if there are none. Only events of other systems have them.
	Extensions json.RawMessage
}

// Typed is a domain event as a Go value. EventType names its type and version.
type Typed interface {
	EventType() (name string, version int)
}

// Meta is what surrounds an event when it is made.
type Meta struct {
	// Time is when it happened; zero is now.
	Time time.Time
	// See Event for these.
	CorrelationID, CausationID, TraceParent, PersonID string
}

// CausedBy is the Meta of what follows from the event.
func CausedBy(e *Event) Meta {
	correlation := e.CorrelationID
	if correlation == "" {
		correlation = e.ID
	}
	return Meta{CorrelationID: correlation, CausationID: e.ID, TraceParent: e.TraceParent}
}

// NewEvent makes an event of a Go value, ready for Append: with an id of its own
// and its times in UTC and whole microseconds, as they come back from any store.
func NewEvent(e Typed, m Meta) (Event, error) {
	name, version := e.EventType()
	data, err := codec.Encode(e)
	if err != nil {
		return Event{}, &InvalidEventError{Type: name, Err: fmt.Errorf("cannot be written as JSON: %w", err)}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Event{}, fmt.Errorf("event %s: no random id: %w", name, err)
	}
	at := m.Time
	if at.IsZero() {
		at = time.Now()
	}
	return Event{
		ID: id.String(), Type: name, SchemaVersion: version, Time: codec.Normal(at),
		CorrelationID: m.CorrelationID, CausationID: m.CausationID,
		TraceParent: m.TraceParent, PersonID: m.PersonID,
		Data: data,
	}, nil
}

// Bounds of an event; the table holds the same.
const (
	NameBytesMax = admission.NameBytesMax
	DataBytesMax = admission.DataBytesMax
)

// checkEvent refuses what package admission does not admit, all faults at once. Postgres
// checks some of it again.
func checkEvent(stream string, e *Event) error {
	return errors.Join(
		admission.Required("stream", stream),
		admission.Required("id", e.ID),
		admission.Required("type", e.Type),
		admission.Optional("correlation id", e.CorrelationID),
		admission.Optional("causation id", e.CausationID),
		admission.Optional("traceparent", e.TraceParent),
		admission.Optional("person id", e.PersonID),
		admission.Version("schema version", int64(e.SchemaVersion)),
		admission.Time(e.Time),
		admission.Data(e.Data),
	)
}

// Check returns what the log does not admit of an event of another system, all faults at once:
// docs/admission.md lists the rules.
func (e *Event) Check() error {
	return errors.Join(checkEvent(e.Stream, e), admission.Required("source", e.Source))
}
