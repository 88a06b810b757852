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

// keyNames reports whether a unique violation's detail, "Key (stream, version)=(s, 3)
// already exists.", is about the first value of the key.
func keyNames(detail, first string) bool {
	return strings.Contains(detail, "=("+first+", ")
}
