package eventlog

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/google/uuid"
)

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
	data, err := json.Marshal(e, encoding())
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
		ID: id.String(), Type: name, SchemaVersion: version, Time: normal(at),
		CorrelationID: m.CorrelationID, CausationID: m.CausationID,
		TraceParent: m.TraceParent, PersonID: m.PersonID,
		Data: data,
	}, nil
}

// encoding is encoding/json's, which contracts are written for, except that text
// that is not UTF-8 is an error instead of silently another text.
func encoding() json.Options {
	return json.JoinOptions(
		jsonv1.DefaultOptionsV1(),
		jsontext.AllowInvalidUTF8(false),
		jsontext.AllowDuplicateNames(false),
		jsontext.EscapeForHTML(false),
		json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, t time.Time) error {
			return enc.WriteToken(jsontext.String(normal(t).Format(time.RFC3339Nano)))
		})),
	)
}

// normal is a time as every store can keep it.
func normal(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
