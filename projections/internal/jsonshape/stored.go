package jsonshape

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// CheckStored checks that a json column of the type loads exactly as it was stored: what
// encoding/json would drop or change on the way is refused. plain reports whether a type is
// one of single values, which are stored as they are.
func CheckStored(t reflect.Type, plain func(reflect.Type) bool) error {
	c := stored{plain: plain, seen: map[reflect.Type]bool{}}
	return c.check(t, t.String())
}

// stored is a check under way; seen are the types that it has looked at.
type stored struct {
	plain func(reflect.Type) bool
	seen  map[reflect.Type]bool
}

func (c *stored) check(t reflect.Type, path string) error {
	if c.plain(t) || c.seen[t] {
		return nil
	}
	c.seen[t] = true
	if t.Kind() != reflect.Pointer && (t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]())) {
		return nil // its author promises the round trip
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Slice, reflect.Array, reflect.Pointer:
		return c.check(t.Elem(), path+"[]")
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return fmt.Errorf("%s: the keys of a map in a json column are strings", path)
		}
		return c.check(t.Elem(), path+"[]")
	case reflect.Struct:
		return c.checkStruct(t, path)
	}
	return fmt.Errorf("%s: %s cannot be stored in a json column and come back the same", path, t)
}

func (c *stored) checkStruct(t reflect.Type, path string) error {
	names := map[string]string{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		tag := f.Tag.Get("json")
		if !f.IsExported() || tag == "-" || strings.Contains(tag, ",omit") {
			return fmt.Errorf("%s.%s would not come back from json the same: export it, without `-` and omitempty", path, f.Name)
		}
		name, _, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		if other, taken := names[strings.ToLower(name)]; taken { // json is read whatever the case
			return fmt.Errorf("%s.%s and %s.%s have one name in json, %q, so that one of them would be lost: name them apart", path, other, path, f.Name, name)
		}
		names[strings.ToLower(name)] = f.Name
		if err := c.check(f.Type, path+"."+f.Name); err != nil {
			return err
		}
	}
	return nil
}
