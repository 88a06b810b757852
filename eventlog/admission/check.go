package admission

import (
	"bytes"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Required checks a name that every event has; what names the attribute.
func Required(what, name string) error {
	if name == "" {
		return fault("name-present", "%s is empty: every event needs one", what)
	}
	return Optional(what, name)
}

// Optional checks a name that may be empty.
func Optional(what, name string) error {
	if len(name) > NameBytesMax {
		return fault("name-size", "%s has %d bytes, the most are %d: shorten it", what, len(name), NameBytesMax)
	}
	for i, r := range name {
		switch {
		case r == utf8.RuneError && !utf8.ValidString(name[i:]):
			return fault("name-text", "%s %q is not valid UTF-8: encode it again", what, name)
		case r < 0x20, r >= 0x7f && r < 0xa0:
			return fault("name-text", "%s %q holds the control character %U, which CloudEvents forbids: remove it", what, name, r)
		}
	}
	return nil
}

// Version checks the version of a stream or of a schema.
func Version(what string, version int64) error {
	if version < 1 || version > VersionMax {
		return fault("version", "%s %d is not within 1 and %d: versions count from 1", what, version, VersionMax)
	}
	return nil
}

// Time checks when an event happened.
func Time(t time.Time) error {
	if t.Before(TimeFirst) || !t.Before(TimeEnd) {
		return fault("time", "time %s is not within %d and %d, which is what all stores hold: set the time at which the event happened",
			t.UTC().Format(time.RFC3339), TimeFirst.Year(), TimeEnd.Year()-1)
	}
	return nil
}

// Data checks an event's data.
func Data(data []byte) error {
	if len(data) > DataBytesMax {
		return fault("data-size", "data has %d bytes, the most are %d: split the event, or keep the bulk elsewhere and refer to it", len(data), DataBytesMax)
	}
	if jsontext.Value(data).Kind() != '{' {
		return fault("data-object", "data is not a JSON object")
	}
	// Deeper than the decoder goes is found before it.
	if depth, at := deepest(data); depth > DepthMax {
		return fault("data-depth", "data is nested more than %d deep at byte %d: flatten it", DepthMax, at)
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(data))
	value, err := decoder.ReadValue()
	if err != nil {
		return fault("data-object", "data is no JSON that every reader understands alike: %v", err)
	}
	if rest := bytes.TrimLeft(data[decoder.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return fault("data-object", "data: %.20q follows the object: one event has one object", rest)
	}
	return checkStrings(value)
}

// deepest is how deep data is nested, up to one more than DepthMax, and where.
func deepest(data []byte) (depth, at int) {
	most, now, quoted := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			if now++; now > most {
				most, at = now, i
			}
			if most > DepthMax {
				return most, at
			}
		case c == '}', c == ']':
			now--
		}
	}
	return most, at
}
