package cloudevents

import (
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/admission"
)

// LineBytesMax bounds one line of an import: the data and its envelope.
const LineBytesMax = eventlog.DataBytesMax + 1<<16

const (
	specVersion = "1.0"
	contentType = "application/json"
	// schemaPrefix makes a URI, as CloudEvents wants it, of an event's type and version.
	schemaPrefix = "urn:readside:event:"
)

func schemaURI(eventType string, version int) string {
	return schemaPrefix + url.PathEscape(eventType) + ":" + strconv.Itoa(version)
}

// appendLine writes the event as one line of structured-mode CloudEvents JSON. Its
// position and the time of its appending are not part of it: they are the log's, not the
// event's. Whatever an older version admitted is written, though an import may refuse it.
func appendLine(line []byte, e *eventlog.Event) ([]byte, error) {
	w := lineWriter{line: append(line, '{')}
	w.text("specversion", specVersion)
	w.text("id", e.ID)
	w.text("source", e.Source)
	w.text("type", e.Type)
	w.text("subject", e.Stream)
	w.text("time", e.Time.UTC().Format(time.RFC3339Nano))
	foreign, err := parseForeign(e.Extensions)
	if err != nil {
		return line, err
	}
	if !foreign.has(dataContentType) {
		w.text(dataContentType, contentType)
	}
	if !foreign.has(dataSchema) {
		w.text(dataSchema, schemaURI(e.Type, e.SchemaVersion))
	}
	w.raw("streamversion", strconv.AppendInt(nil, e.StreamVersion, 10))
	w.optional("correlationid", e.CorrelationID)
	w.optional("causationid", e.CausationID)
	w.optional("traceparent", e.TraceParent)
	w.optional("personid", e.PersonID)
	for _, a := range foreign {
		w.raw(a.name, a.value)
	}
	w.raw("data", admission.OneLine(e.Data))
	return append(w.line, '}', '\n'), w.err
}

// lineWriter writes members of an object whose names need no quoting.
type lineWriter struct {
	line []byte
	err  error
}

func (w *lineWriter) name(name string) {
	if w.line[len(w.line)-1] != '{' {
		w.line = append(w.line, ',')
	}
	w.line = append(append(append(w.line, '"'), name...), '"', ':')
}

func (w *lineWriter) text(name, value string) {
	w.name(name)
	line, err := jsontext.AppendQuote(w.line, value)
	w.line, w.err = line, errors.Join(w.err, err)
}

func (w *lineWriter) optional(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *lineWriter) raw(name string, value []byte) {
	w.name(name)
	w.line = append(w.line, value...)
}
