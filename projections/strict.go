package projections

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/readside/readside/eventlog"
)

// Strict makes a set refuse events whose data is not exactly what their Go types say: with a
// member that the type lacks, or without one that it has. Such an event is parked, and its
// fault names the member. Without Strict, unknown members are passed over and missing ones
// are zero, as encoding/json has it.
//
// A member is required unless its field is a pointer or is tagged omitempty or omitzero.
// Names are compared exactly. Types that decode themselves are taken as they are. An event of
// an older version is judged by its upcaster alone.
func Strict() Definition { return strict{} }

type strict struct{}

func (strict) define(c *compiler) { c.strict = true }

// strictly makes decoders judge the data of the current version first.
func (d decoders) strictly(name string, version int, t reflect.Type) decoders {
	s := shapes{}.of(t)
	judged := func(decode Decode) Decode {
		return func(schemaVersion int, data []byte) (any, error) {
			if schemaVersion == version {
				if err := s.judge(data); err != nil {
					return nil, &eventlog.DecodeError{
						Type: name, Version: schemaVersion, Current: version, Err: err,
						Hint: "the set is strict: mend the publisher, or change the type and give it a new version with an upcaster",
					}
				}
			}
			return decode(schemaVersion, data)
		}
	}
	return decoders{judged(d.copying), judged(d.sharing)}
}

// shape is what a strict set wants of a JSON value. The zero shape takes any.
type shape struct {
	// members are those of an object by name; nil for other values.
	members map[string]*member
	// each is the shape of an array's elements or of a map's values.
	each *shape
}

type member struct {
	shape    *shape
	required bool
}

// shapes are the shapes of types, so that one that contains itself has one.
type shapes map[reflect.Type]*shape

func (all shapes) of(t reflect.Type) *shape {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, known := all[t]; known {
		return s
	}
	s := &shape{}
	all[t] = s
	if decodesItself(t) {
		return s
	}
	switch t.Kind() {
	case reflect.Struct:
		s.members = map[string]*member{}
		all.fields(t, s.members)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() != reflect.Uint8 { // bytes are a text
			s.each = all.of(t.Elem())
		}
	case reflect.Map:
		s.each = all.of(t.Elem())
	}
	return s
}

func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// fields adds the members that a struct is decoded from, those of embedded structs too.
func (all shapes) fields(t reflect.Type, members map[string]*member) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		embedded := f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && !decodesItself(f.Type)
		switch {
		case embedded:
			all.fields(f.Type, members)
			continue
		case !f.IsExported() || name == "-" && options == "":
			continue
		case name == "":
			name = f.Name
		}
		optional := f.Type.Kind() == reflect.Pointer || slices.ContainsFunc(strings.Split(options, ","), func(o string) bool { return o == "omitempty" || o == "omitzero" })
		members[name] = &member{shape: all.of(f.Type), required: !optional}
	}
}

// judge returns what is wrong with data, all faults at once, at most faultsMax.
func (s *shape) judge(data []byte) error {
	j := judgement{decoder: jsontext.NewDecoder(bytes.NewReader(data))}
	if err := j.value(s, ""); err != nil {
		return err
	}
	return errors.Join(j.faults...)
}

// faultsMax bounds what one event is told.
const faultsMax = 10

type judgement struct {
	decoder *jsontext.Decoder
	faults  []error
}

func (j *judgement) fault(format string, args ...any) {
	if len(j.faults) < faultsMax {
		j.faults = append(j.faults, fmt.Errorf(format, args...))
	}
}

// value reads one value, which stands at path.
func (j *judgement) value(s *shape, path string) error {
	kind := j.decoder.PeekKind()
	switch {
	case s.members != nil && kind == '{':
		return j.object(s, path)
	case s.each != nil && kind == '{', s.each != nil && kind == '[':
		return j.elements(s.each, path)
	}
	return j.decoder.SkipValue()
}

func (j *judgement) object(s *shape, path string) error {
	if _, err := j.decoder.ReadToken(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for j.decoder.PeekKind() == '"' {
		name, err := j.decoder.ReadToken()
		if err != nil {
			return err
		}
		text := name.String()
		m := s.members[text]
		if m == nil {
			j.fault("the member %q is unknown to the type", path+text)
			if err := j.decoder.SkipValue(); err != nil {
				return err
			}
			continue
		}
		seen[text] = true
		if err := j.value(m.shape, path+text+"."); err != nil {
			return err
		}
	}
	missing := []string{}
	for name, m := range s.members {
		if m.required && !seen[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	for _, name := range missing {
		j.fault("the member %q is missing", path+name)
	}
	_, err := j.decoder.ReadToken()
	return err
}

// elements reads the elements of an array, or the values of an object that is a map.
func (j *judgement) elements(each *shape, path string) error {
	open, err := j.decoder.ReadToken()
	if err != nil {
		return err
	}
	path = strings.TrimSuffix(path, ".")
	for n := 0; j.decoder.PeekKind() != ']' && j.decoder.PeekKind() != '}'; n++ {
		at := fmt.Sprintf("%s[%d].", path, n)
		if open.Kind() == '{' {
			name, err := j.decoder.ReadToken()
			if err != nil {
				return err
			}
			at = fmt.Sprintf("%s[%q].", path, name.String())
		}
		if err := j.value(each, at); err != nil {
			return err
		}
	}
	_, err = j.decoder.ReadToken()
	return err
}
