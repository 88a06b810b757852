package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// LineBytesMax bounds one line of an import: the data and its envelope.
const LineBytesMax = DataBytesMax + 1<<16

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
// position is not part of it: that is the log's, not the event's.
func appendLine(line []byte, e *Event) ([]byte, error) {
	if err := errors.Join(checkEvent(e.Stream, e), checkName("source", e.Source, 1), checkVersion(e.StreamVersion)); err != nil {
		return nil, err
	}
	w := lineWriter{line: append(line, '{')}
	w.text("specversion", specVersion)
	w.text("id", e.ID)
	w.text("source", e.Source)
	w.text("type", e.Type)
	w.text("subject", e.Stream)
	w.text("time", e.Time.UTC().Format(time.RFC3339Nano))
	w.text("datacontenttype", contentType)
	w.text("dataschema", schemaURI(e.Type, e.SchemaVersion))
	w.raw("streamversion", strconv.AppendInt(nil, e.StreamVersion, 10))
	w.optional("correlationid", e.CorrelationID)
	w.optional("causationid", e.CausationID)
	w.optional("traceparent", e.TraceParent)
	w.optional("personid", e.PersonID)
	w.raw("data", oneLine(e.Data))
	return append(w.line, '}', '\n'), w.err
}

// oneLine is JSON as it stands in a line: unchanged, but for space around it, and for all
// space outside of strings where there are line breaks, which stand nowhere else.
func oneLine(data []byte) []byte {
	data = bytes.Trim(data, " \t\r\n")
	if !bytes.ContainsAny(data, "\r\n") {
		return data
	}
	compact := jsontext.Value(bytes.Clone(data))
	if err := compact.Compact(); err != nil {
		return data // no JSON: the log holds none
	}
	return compact
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

// parseLine reads one line, strictly: what it does not know, misses or cannot store
// unchanged is an error.
func parseLine(line []byte) (Event, error) {
	decoder := jsontext.NewDecoder(bytes.NewReader(line))
	if decoder.PeekKind() != '{' {
		return Event{}, errors.New("not a JSON object: each line is one CloudEvent in structured mode")
	}
	if _, err := decoder.ReadToken(); err != nil {
		return Event{}, err
	}
	p := lineParser{seen: make(map[string]bool, 16)}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return Event{}, err
		}
		attribute := name.String()
		value, err := decoder.ReadValue()
		if err != nil {
			return Event{}, err
		}
		if err := p.attribute(attribute, value); err != nil {
			return Event{}, fmt.Errorf("attribute %q: %w", attribute, err)
		}
	}
	if _, err := decoder.ReadToken(); err != nil {
		return Event{}, err
	}
	if rest := bytes.TrimLeft(line[decoder.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return Event{}, fmt.Errorf("%.20q follows the event: one event per line", rest)
	}
	return p.event()
}

type lineParser struct {
	e      Event
	schema string
	seen   map[string]bool
}

func (p *lineParser) attribute(name string, value jsontext.Value) (err error) {
	p.seen[name] = true
	switch name {
	case "specversion":
		return literal(value, specVersion)
	case "datacontenttype":
		return literal(value, contentType)
	case "id":
		p.e.ID, err = text(value)
	case "source":
		if p.e.Source, err = text(value); err == nil {
			_, err = url.Parse(p.e.Source)
		}
	case "type":
		p.e.Type, err = text(value)
	case "subject":
		p.e.Stream, err = text(value)
	case "time":
		p.e.Time, err = timestamp(value)
	case "dataschema":
		p.schema, err = text(value)
	case "streamversion":
		p.e.StreamVersion, err = number(value)
	case "data":
		p.e.Data = append([]byte(nil), value...)
	default:
		return p.extension(name, value)
	}
	return err
}

func (p *lineParser) extension(name string, value jsontext.Value) (err error) {
	switch name {
	case "correlationid":
		p.e.CorrelationID, err = text(value)
	case "causationid":
		p.e.CausationID, err = text(value)
	case "traceparent":
		p.e.TraceParent, err = text(value)
	case "personid":
		p.e.PersonID, err = text(value)
	default:
		return errors.New("unknown: the log would lose it; remove it, or move it into data")
	}
	return err
}

// event is what the attributes make, once all are there.
func (p *lineParser) event() (Event, error) {
	for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "dataschema", "streamversion", "data"} {
		if !p.seen[name] {
			return Event{}, fmt.Errorf("attribute %q is missing", name)
		}
	}
	prefix := schemaPrefix + url.PathEscape(p.e.Type) + ":"
	version, err := strconv.Atoi(strings.TrimPrefix(p.schema, prefix))
	if err != nil || version < 1 || p.schema != schemaURI(p.e.Type, version) {
		return Event{}, fmt.Errorf("attribute \"dataschema\": %q is not %q with a version from 1", p.schema, prefix+"N")
	}
	p.e.SchemaVersion = version
	if err := errors.Join(checkEvent(p.e.Stream, &p.e), checkName("source", p.e.Source, 1)); err != nil {
		return Event{}, err
	}
	return p.e, nil
}

func literal(value jsontext.Value, want string) error {
	if got, err := text(value); err != nil || got != want {
		return fmt.Errorf("%s is not %q", value, want)
	}
	return nil
}

func text(value jsontext.Value) (string, error) {
	if value.Kind() != '"' {
		return "", fmt.Errorf("%.40s is not a string", value)
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	if err == nil && len(unquoted) == 0 {
		err = errors.New("is empty: leave it out")
	}
	return string(unquoted), err
}

func timestamp(value jsontext.Value) (time.Time, error) {
	s, err := text(value)
	if err != nil {
		return time.Time{}, err
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time by RFC 3339, such as 2026-03-04T05:06:07.000008Z", s)
	}
	return normal(t), nil
}

func number(value jsontext.Value) (int64, error) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40s is not a whole number", value)
	}
	return n, checkVersion(n)
}

// checkVersion: an integer of CloudEvents has 32 bits.
func checkVersion(version int64) error {
	if version < 1 || version > math.MaxInt32 {
		return fmt.Errorf("stream version %d is not within 1 and %d", version, math.MaxInt32)
	}
	return nil
}
