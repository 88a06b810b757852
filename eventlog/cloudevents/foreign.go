package cloudevents

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/readside/readside/eventlog/admission"
)

// The attributes of CloudEvents that are kept as they came where they are not ours.
const (
	dataContentType = "datacontenttype"
	dataSchema      = "dataschema"
)

// foreign are attributes that the log has no column for, by name: an event's Extensions.
type foreign []attribute

type attribute struct {
	name  string
	value jsontext.Value
}

func (f foreign) has(name string) bool {
	return slices.ContainsFunc(f, func(a attribute) bool { return a.name == name })
}

// object is the attributes as the log keeps them, sorted by name; nil if there are none.
func (f foreign) object() (json.RawMessage, error) {
	if len(f) == 0 {
		return nil, nil
	}
	slices.SortFunc(f, func(a, b attribute) int { return cmp.Compare(a.name, b.name) })
	w := lineWriter{line: []byte{'{'}}
	for _, a := range f {
		w.raw(a.name, a.value)
	}
	object := append(w.line, '}')
	return object, admission.Extensions(object)
}

// parseForeign reads what object wrote.
func parseForeign(object json.RawMessage) (f foreign, err error) {
	if len(object) == 0 {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, fmt.Errorf("the extension attributes cannot be read: %w", err)
	}
	for name, value := range members {
		f = append(f, attribute{name, jsontext.Value(value)})
	}
	slices.SortFunc(f, func(a, b attribute) int { return cmp.Compare(a.name, b.name) })
	return f, nil
}
