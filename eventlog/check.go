package eventlog

import (
	"errors"
	"strings"

	"github.com/readside/readside/eventlog/admission"
)

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

// withoutExtensions refuses attributes that an append would lose.
func withoutExtensions(e *Event) error {
	if len(e.Extensions) > 0 {
		return errors.New("it has extension attributes, which only events of other systems have: put them into the data")
	}
	return nil
}

// Check returns what the log does not admit of an event of another system, all faults at once:
// docs/admission.md lists the rules.
func (e *Event) Check() error {
	return errors.Join(checkEvent(e.Stream, e), admission.Required("source", e.Source))
}

// keyNames reports whether a unique violation's detail, "Key (stream, version)=(s, 3)
// already exists.", is about the first value of the key.
func keyNames(detail, first string) bool {
	return strings.Contains(detail, "=("+first+", ")
}
