package jsonshape

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Describe describes a type down to its fields, so that a fingerprint of it sees a field that
// came or went.
func Describe(t reflect.Type) string { return describe(t, map[string]bool{}) }

var timeType = reflect.TypeFor[time.Time]()

func describe(t reflect.Type, seen map[string]bool) string {
	if t == timeType || seen[t.String()] {
		return t.String()
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return t.Kind().String() + " " + describe(t.Elem(), seen)
	case reflect.Struct:
		seen[t.String()] = true
		var b strings.Builder
		for _, f := range reflect.VisibleFields(t) {
			fmt.Fprintf(&b, "%s %q %s;", f.Name, f.Tag.Get("json"), describe(f.Type, seen))
		}
		return "{" + b.String() + "}"
	}
	return t.Kind().String()
}
