package projections

import (
	"fmt"
	"reflect"
	"strings"
)

// shapeOf describes a json column's type down to its fields, so that the fingerprint
// sees a field that came or went.
func shapeOf(t reflect.Type, seen map[string]bool) string {
	if t == timeType || seen[t.String()] {
		return t.String()
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return t.Kind().String() + " " + shapeOf(t.Elem(), seen)
	case reflect.Struct:
		seen[t.String()] = true
		var b strings.Builder
		for _, f := range reflect.VisibleFields(t) {
			fmt.Fprintf(&b, "%s %q %s;", f.Name, f.Tag.Get("json"), shapeOf(f.Type, seen))
		}
		return "{" + b.String() + "}"
	}
	return t.Kind().String()
}
