package codec

import (
	"reflect"
	"time"
)

var timeType = reflect.TypeFor[time.Time]()

// timeNormaliser walks to every time.Time within a value of type t and makes it
// normal. It is worked out once per type, and nil for a type without times, so that
// events without times, which are nearly all, pay nothing.
func timeNormaliser(t reflect.Type) func(reflect.Value) {
	return (&normaliserBuilder{building: make(map[reflect.Type]*func(reflect.Value))}).build(t)
}

// normaliserBuilder knows the types under way, so that a type that holds itself ends.
type normaliserBuilder struct {
	building map[reflect.Type]*func(reflect.Value)
}

func (b *normaliserBuilder) build(t reflect.Type) func(reflect.Value) {
	if t == timeType {
		return func(v reflect.Value) {
			at := v.Addr().Interface().(*time.Time)
			*at = Normal(*at)
		}
	}
	if under, ok := b.building[t]; ok {
		return func(v reflect.Value) {
			if *under != nil {
				(*under)(v)
			}
		}
	}
	self := new(func(reflect.Value))
	b.building[t] = self
	*self = b.compose(t)
	return *self
}

func (b *normaliserBuilder) compose(t reflect.Type) func(reflect.Value) {
	switch t.Kind() {
	case reflect.Struct:
		return b.fields(t)
	case reflect.Pointer:
		if inner := b.build(t.Elem()); inner != nil {
			return func(v reflect.Value) {
				if !v.IsNil() {
					inner(v.Elem())
				}
			}
		}
	case reflect.Slice, reflect.Array:
		if inner := b.build(t.Elem()); inner != nil {
			return func(v reflect.Value) {
				for i := range v.Len() {
					inner(v.Index(i))
				}
			}
		}
	case reflect.Map:
		return b.values(t)
	}
	return nil
}

func (b *normaliserBuilder) fields(t reflect.Type) func(reflect.Value) {
	type field struct {
		index int
		walk  func(reflect.Value)
	}
	var fields []field
	for i := range t.NumField() {
		if !t.Field(i).IsExported() {
			continue
		}
		if walk := b.build(t.Field(i).Type); walk != nil {
			fields = append(fields, field{i, walk})
		}
	}
	if fields == nil {
		return nil
	}
	return func(v reflect.Value) {
		for _, f := range fields {
			f.walk(v.Field(f.index))
		}
	}
}

// values replaces a map's values, which cannot be changed in place.
func (b *normaliserBuilder) values(t reflect.Type) func(reflect.Value) {
	inner := b.build(t.Elem())
	if inner == nil {
		return nil
	}
	return func(v reflect.Value) {
		for _, key := range v.MapKeys() {
			value := reflect.New(t.Elem()).Elem()
			value.Set(v.MapIndex(key))
			inner(value)
			v.SetMapIndex(key, value)
		}
	}
}
