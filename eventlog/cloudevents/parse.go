package cloudevents

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/admission"
)

// parser reads events. What it may leave to the log has a zero StreamVersion or Time.
type parser struct {
	assignVersions, assignTimes bool
}

// event reads one event in structured mode. All its faults come back at once, unless it is
// no JSON; the event has then what could be read of it.
func (p *parser) event(value []byte) (eventlog.Event, error) {
	decoder := jsontext.NewDecoder(bytes.NewReader(value))
	if decoder.PeekKind() != '{' {
		return eventlog.Event{}, errors.New("not a JSON object: each line is one CloudEvent in structured mode, or the file is one list of them")
	}
	if _, err := decoder.ReadToken(); err != nil {
		return eventlog.Event{}, err
	}
	r := reading{parser: *p, seen: make(map[string]bool, 16)}
	for decoder.PeekKind() == '"' {
		name, err := decoder.ReadToken()
		if err != nil {
			return r.e, err
		}
		attribute := name.String()
		value, err := decoder.ReadValue()
		if err != nil {
			return r.e, err
		}
		if err := r.attribute(attribute, value); err != nil {
			r.fault(fmt.Errorf("attribute %q: %w", attribute, err))
		}
	}
	if _, err := decoder.ReadToken(); err != nil {
		return r.e, err
	}
	if rest := bytes.TrimLeft(value[decoder.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return r.e, fmt.Errorf("%.20q follows the event: one event per line", rest)
	}
	return r.event()
}

// reading is one event on its way.
type reading struct {
	parser      parser
	e           eventlog.Event
	schema      string
	schemaValue jsontext.Value
	foreign     foreign
	seen        map[string]bool
	faults      []error
}

func (r *reading) fault(err error) { r.faults = append(r.faults, err) }

func (r *reading) attribute(name string, value jsontext.Value) (err error) {
	if value.Kind() == 'n' {
		return nil // null is unset, by the JSON format of CloudEvents
	}
	r.seen[name] = true
	switch name {
	case "specversion":
		return literal(value, specVersion)
	case dataContentType:
		return r.contentType(value)
	case "id":
		r.e.ID, err = text(value)
	case "source":
		r.e.Source, err = text(value) // also one that is no URI reference, as the name of a database role
	case "type":
		r.e.Type, err = text(value)
	case "subject":
		r.e.Stream, err = text(value)
	case "time":
		r.e.Time, err = timestamp(value)
	case dataSchema:
		r.schemaValue = value.Clone()
		r.schema, err = text(value)
	case "streamversion":
		r.e.StreamVersion, err = number(value)
	case "data":
		r.e.Data, err = object(value)
	case "data_base64":
		return errors.New("the log keeps JSON objects: decode it, or put its text into an object in data")
	default:
		return r.extension(name, value)
	}
	return err
}

func (r *reading) extension(name string, value jsontext.Value) (err error) {
	switch name {
	case "correlationid":
		r.e.CorrelationID, err = text(value)
	case "causationid":
		r.e.CausationID, err = text(value)
	case "traceparent":
		r.e.TraceParent, err = text(value)
	case "personid":
		r.e.PersonID, err = text(value)
	default:
		return r.keep(name, value)
	}
	return err
}

// keep keeps an attribute as it came.
func (r *reading) keep(name string, value jsontext.Value) error {
	kept, err := admission.Extension(name, value)
	if err == nil {
		r.foreign = append(r.foreign, attribute{name, kept})
	}
	return err
}

// contentType admits JSON in its media types, and keeps those that are not the usual one.
func (r *reading) contentType(value jsontext.Value) error {
	s, err := text(value)
	if err != nil || s == contentType {
		return err
	}
	media, parameters, err := mime.ParseMediaType(s)
	if err != nil || media != contentType && media != "text/json" && !strings.HasSuffix(media, "+json") {
		return fmt.Errorf("%.60q is not JSON, and the log keeps JSON objects: convert the data", s)
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return fmt.Errorf("%.60q is not UTF-8: convert the data", s)
	}
	return r.keep(dataContentType, value)
}

// required are the attributes that an event cannot be without.
var required = []string{"specversion", "id", "source", "type"}

// event is what the attributes make, once all are there.
func (r *reading) event() (eventlog.Event, error) {
	for _, name := range required {
		if !r.seen[name] {
			r.fault(fmt.Errorf("attribute %q is missing, or null, which is the same: add it", name))
		}
	}
	if !r.seen["time"] && !r.parser.assignTimes {
		r.fault(errors.New(`attribute "time" is missing: add it, or let the import assign times`))
	}
	if !r.seen["streamversion"] && !r.parser.assignVersions {
		r.fault(errors.New(`attribute "streamversion" is missing: add the event's number in its stream, from 1, or let the import assign versions`))
	}
	if !r.seen["data"] {
		r.e.Data = []byte("{}")
	}
	if r.e.Stream == "" && !r.seen["subject"] {
		r.e.Stream = r.e.Source
	}
	r.version()
	var err error
	if r.e.Extensions, err = r.foreign.object(); err != nil {
		r.fault(err)
	}
	if len(r.faults) == 0 {
		r.admission()
	}
	return r.e, errors.Join(r.faults...)
}

// admission checks the event by the log's rules, with something in place of what is assigned.
func (r *reading) admission() {
	e := r.e
	if !r.seen["time"] {
		e.Time = admission.TimeFirst
	}
	if !r.seen["streamversion"] {
		e.StreamVersion = 1
	}
	if err := e.Check(); err != nil {
		r.fault(err)
	}
}

// version finds the version of the type in dataschema: ours says it, and every other is of
// version 1, which upcasters can tell from later ones, and is kept.
func (r *reading) version() {
	r.e.SchemaVersion = 1
	if r.schema == "" {
		return
	}
	if !strings.HasPrefix(r.schema, schemaPrefix) {
		if err := r.keep(dataSchema, r.schemaValue); err != nil {
			r.fault(fmt.Errorf("attribute %q: %w", dataSchema, err))
		}
		return
	}
	prefix := schemaPrefix + url.PathEscape(r.e.Type) + ":"
	version, err := strconv.Atoi(strings.TrimPrefix(r.schema, prefix))
	if err != nil || version < 1 || r.schema != schemaURI(r.e.Type, version) {
		r.fault(fmt.Errorf("attribute %q: %q is not %q with a version from 1", dataSchema, r.schema, prefix+"N"))
		return
	}
	r.e.SchemaVersion = version
}

func literal(value jsontext.Value, want string) error {
	if got, err := text(value); err != nil || got != want {
		return fmt.Errorf("%.40s is not %q", value, want)
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
		return time.Time{}, fmt.Errorf("%q is not a time by RFC 3339 without leap seconds, such as 2026-03-04T05:06:07.000008Z", s)
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

func number(value jsontext.Value) (int64, error) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40s is not a whole number", value)
	}
	return n, admission.Version("stream version", n)
}

// object is the event's data. A value that is no object has no place in the log: contracts
// are structs.
func object(value jsontext.Value) ([]byte, error) {
	if value.Kind() != '{' {
		return nil, fmt.Errorf(`%.40s is not a JSON object: wrap it, as in {"value": …}`, value)
	}
	return bytes.Clone(value), nil
}
