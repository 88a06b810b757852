package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of an event; the table holds the same.
const (
	NameBytesMax = 200
	DataBytesMax = 1 << 20
)

// checkEvent refuses what the log must not hold. Postgres checks much of it again;
// duplicate keys and text that no text column can store only here.
func checkEvent(stream string, e *Event) error {
	return errors.Join(
		checkName("stream", stream, 1),
		checkName("id", e.ID, 1),
		checkName("type", e.Type, 1),
		checkName("correlation id", e.CorrelationID, 0),
		checkName("causation id", e.CausationID, 0),
		checkName("traceparent", e.TraceParent, 0),
		checkName("person id", e.PersonID, 0),
		checkNumbers(e),
		checkData(e.Data),
	)
}

func checkName(what, name string, bytesMin int) error {
	switch {
	case len(name) < bytesMin:
		return fmt.Errorf("%s is empty", what)
	case len(name) > NameBytesMax:
		return fmt.Errorf("%s has %d bytes, the most are %d", what, len(name), NameBytesMax)
	case !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("%s %q is not valid UTF-8 text without NUL", what, name)
	}
	return nil
}

func checkNumbers(e *Event) error {
	if e.SchemaVersion < 1 || e.SchemaVersion > math.MaxInt32 {
		return fmt.Errorf("schema version %d is out of range: versions count from 1", e.SchemaVersion)
	}
	if y := e.Time.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("time %s is outside of the years 1 to 9999", e.Time)
	}
	return nil
}

// checkData wants one JSON object, strict: valid UTF-8, no key twice, and no NUL,
// which JSON can write and Postgres cannot store as text.
func checkData(data []byte) error {
	if len(data) > DataBytesMax {
		return fmt.Errorf("data has %d bytes, the most are %d", len(data), DataBytesMax)
	}
	if jsontext.Value(data).Kind() != '{' {
		return errors.New("data is not a JSON object")
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(data))
	value, err := decoder.ReadValue()
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if rest := bytes.TrimLeft(data[decoder.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("data: %.20q follows the object", rest)
	}
	if hasNUL(value) {
		return errors.New(`data: a string holds \u0000, which no text column can store`)
	}
	return nil
}

// hasNUL finds the escape \u0000 whose backslash is not itself escaped.
func hasNUL(data []byte) bool {
	for {
		i := bytes.Index(data, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		slashes := 0
		for slashes < i && data[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		data = data[i+2:]
	}
}

// keyNames says whether a unique violation's detail, "Key (stream, version)=(s, 3)
// already exists.", is about the stream.
func keyNames(detail, stream string) bool {
	return strings.Contains(detail, "=("+stream+", ")
}
