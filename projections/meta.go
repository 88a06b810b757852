package projections

import (
	"time"

	"github.com/readside/readside/eventlog"
)

// Meta is what a handler may know of an event's envelope.
type Meta struct {
	// EventID and Stream are the event's id and its aggregate's stream.
	EventID, Stream string
	// StreamVersion is the event's number in its stream, from 1.
	StreamVersion int64
	// Time is when it happened, UTC, in whole microseconds. It is the only clock a handler has.
	Time time.Time
	// Position is the event's place in the log.
	Position eventlog.Position
	// CorrelationID is common to all that one command set off.
	CorrelationID string
}

// MetaOf is the part of e's envelope that handlers see.
func MetaOf(e *eventlog.Event) Meta {
	return Meta{
		EventID: e.ID, Stream: e.Stream, StreamVersion: e.StreamVersion,
		Time: e.Time, Position: e.Position, CorrelationID: e.CorrelationID,
	}
}
