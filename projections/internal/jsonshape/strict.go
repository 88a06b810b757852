// Package jsonshape compares Go types with JSON: what a strict reader wants of a type's data,
// what of a type comes back from JSON as it was, and what a type looks like down to its fields.
package jsonshape

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
)

// Shape is what a strict reader wants of a JSON value. The zero Shape takes any.
type Shape struct {
	// members are those of an object by name; nil for other values.
	members map[string]*member
	// each is the shape of an array's elements or of a map's values.
	each *Shape
}

type member struct {
	shape    *Shape
	required bool
}

// Of returns the shape of the JSON that a type is decoded from.
func Of(t reflect.Type) *Shape { return shapes{}.of(t) }

// shapes are the shapes of types, so that one that contains itself has one.
type shapes map[reflect.Type]*Shape

func (all shapes) of(t reflect.Type) *Shape {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, known := all[t]; known {
		return s
	}
	s := &Shape{}
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

// Judge returns what is wrong with data, all faults at once, at most faultsMax.
func (s *Shape) Judge(data []byte) error {
	j := judgement{decoder: jsontext.NewDecoder(bytes.NewReader(data))}
	if err := j.value(s, ""); err != nil {
		return err
	}
	return errors.Join(j.faults...)
}

// faultsMax bounds the faults that are named of one event.
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
func (j *judgement) value(s *Shape, path string) error {
	kind := j.decoder.PeekKind()
	switch {
	case s.members != nil && kind == '{':
		return j.object(s, path)
	case s.each != nil && kind == '{', s.each != nil && kind == '[':
		return j.elements(s.each, path)
	}
	return j.decoder.SkipValue()
}

func (j *judgement) object(s *Shape, path string) error {
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
func (j *judgement) elements(each *Shape, path string) error {
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
