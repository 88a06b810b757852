package command

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/writemodels/contract"
)

// Work is one decision of a service and the state that it rests on. The kit calls
// Load, Decide and Save once each, in this order, in one transaction.
type Work interface {
	// Load queues the reads of the state, with locks, and the functions that keep their results.
	Load(b *pgx.Batch)
	// Decide is pure: it looks at what Load kept, and returns the events or a *Refusal.
	Decide(now time.Time) (Decision, error)
	// Save queues the writes of the state as it is after the decision's events.
	Save(b *pgx.Batch)
}

// Decision is what Work came to. One without events changes nothing, and is no refusal.
type Decision struct {
	Answer  Answer
	Streams []Stream
}

// Stream is what a decision appends to one stream.
type Stream struct {
	Name string
	// Version is the stream's version before the events.
	Version int64
	Events  []contract.Event
	// PersonID is whose personal data the events carry, if any.
	PersonID string
	// Cause, if not zero, replaces the cause of the whole work: timers act for many.
	Cause Cause
}

// Cause is what an event's envelope says about where it came from.
type Cause struct {
	CorrelationID, CausationID, TraceParent string
}

// Answer is the body of a successful command's response.
type Answer struct {
	// ID is the aggregate's id; IDs those of a command on many.
	ID  string   `json:"id,omitempty"`
	IDs []string `json:"ids,omitempty"`
	// OrderID is the order that a checkout opened.
	OrderID string `json:"orderId,omitempty"`
	// Position is the opaque token of the command's last event: who hands it to a
	// query waits until the query's views have come that far.
	Position string `json:"position"`
}
