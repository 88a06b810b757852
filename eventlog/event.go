package eventlog

import (
	"encoding/json"
	"time"
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
