package queryapi

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/graphql-go/graphql"
	"github.com/shopspring/decimal"
)

// shape is how a Go type within a json column looks in GraphQL: its type, and how a
// decoded value becomes what its scalar writes. What is missing or null where the Go
// type has a value becomes that type's zero, as encoding/json decodes it.
type shape struct {
	output  graphql.Output
	convert func(any) any
}

var (
	timeType          = reflect.TypeFor[time.Time]()
	uuidType          = reflect.TypeFor[uuid.UUID]()
	decimalType       = reflect.TypeFor[decimal.Decimal]()
	jsonMarshalerType = reflect.TypeFor[json.Marshaler]()
	textMarshalerType = reflect.TypeFor[encoding.TextMarshaler]()
	bytesType         = reflect.TypeFor[[]byte]()
	graphQLName       = regexp.MustCompile(`^[A-Za-z][_A-Za-z0-9]*$`)
)

// jsonShape finds the shape of t; within names the view, for types without a name.
func (b *builder) jsonShape(t reflect.Type, within string) shape {
	if t.Kind() == reflect.Pointer {
		return nullable(b.jsonShape(t.Elem(), within))
	}
	switch {
	case t == timeType:
		return required(b.time, jsonTime)
	case t == uuidType:
		return required(b.uuid, orElse(uuid.Nil.String()))
	case t == decimalType:
		return required(b.decimal, orElse("0"))
	case t.Implements(jsonMarshalerType):
		return shape{output: b.json, convert: same}
	case t.Implements(textMarshalerType), t == bytesType, t.Kind() == reflect.String:
		return required(graphql.String, jsonString)
	}
	switch t.Kind() {
	case reflect.Bool:
		return required(graphql.Boolean, jsonBool)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16:
		return required(graphql.Int, jsonInt)
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return required(b.long, jsonInt)
	case reflect.Float32, reflect.Float64:
		return required(graphql.Float, jsonFloat)
	case reflect.Slice, reflect.Array:
		return listOf(b.jsonShape(t.Elem(), within))
	case reflect.Struct:
		return required(b.jsonObject(t, within), jsonMap)
	}
	return shape{output: b.json, convert: same}
}

func required(t graphql.Type, convert func(any) any) shape {
	return shape{output: graphql.NewNonNull(t), convert: convert}
}

func nullable(s shape) shape {
	output := s.output
	if n, ok := output.(*graphql.NonNull); ok {
		output = n.OfType.(graphql.Output)
	}
	return shape{output: output, convert: func(v any) any {
		if v == nil {
			return nil
		}
		return s.convert(v)
	}}
}

func listOf(item shape) shape {
	return required(graphql.NewList(item.output), func(v any) any {
		items, _ := v.([]any)
		out := make([]any, len(items))
		for i, x := range items {
			out[i] = item.convert(x)
		}
		return out
	})
}

// jsonObject is the object type of a struct, made once per Go type.
func (b *builder) jsonObject(t reflect.Type, within string) *graphql.Object {
	if o := b.structs[t]; o != nil {
		return o
	}
	name := b.structName(t, within)
	o := graphql.NewObject(graphql.ObjectConfig{
		Name:   name,
		Fields: graphql.FieldsThunk(func() graphql.Fields { return b.structFields[t] }),
	})
	b.structs[t] = o
	fields := graphql.Fields{}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		in, field := jsonNames(f)
		if !graphQLName.MatchString(field) || fields[field] != nil {
			b.fault("type %s: the json name %q of field %s cannot be a field of GraphQL: use letters and digits, each name once", t, in, f.Name)
			continue
		}
		s := b.jsonShape(f.Type, name+capital(field))
		fields[field] = &graphql.Field{Type: s.output, Resolve: pickJSON(in, s)}
	}
	if len(fields) == 0 {
		b.fault("type %s has no exported fields: GraphQL has no empty objects", t)
	}
	b.structFields[t] = fields
	return o
}

// structName is the Go type's own name, or with its view's name in front where
// another type has that already.
func (b *builder) structName(t reflect.Type, within string) string {
	name := capital(strings.Map(wordOnly, t.Name()))
	if name == "" {
		name = within
	}
	if b.taken[name] {
		name = within + name
	}
	b.take(name, t.String())
	return name
}

func wordOnly(r rune) rune {
	if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return -1
}

// jsonNames are a field's names in json and in GraphQL.
func jsonNames(f reflect.StructField) (in, out string) {
	in, _, _ = strings.Cut(f.Tag.Get("json"), ",")
	if in == "" {
		return f.Name, lowerFirst(f.Name)
	}
	return in, camel(in)
}

func pickJSON(name string, s shape) graphql.FieldResolveFn {
	return func(p graphql.ResolveParams) (any, error) {
		fields, _ := p.Source.(map[string]any)
		return s.convert(fields[name]), nil
	}
}

// decodeJSON decodes a json column; numbers keep their digits.
func decodeJSON(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("a stored json value cannot be read: %w", err)
	}
	return v, nil
}

func same(v any) any { return v }

func jsonString(v any) any {
	s, _ := v.(string)
	return s
}

// orElse is a text, or that of the Go type's zero.
func orElse(zero string) func(any) any {
	return func(v any) any {
		switch v := v.(type) {
		case string:
			return v
		case json.Number:
			return v.String() // decimals can be made to write numbers
		}
		return zero
	}
}

func jsonBool(v any) any {
	b, _ := v.(bool)
	return b
}

func jsonInt(v any) any {
	n, _ := v.(json.Number)
	i, err := n.Int64()
	if err != nil && n != "" {
		return n.String()
	}
	return i
}

func jsonFloat(v any) any {
	n, _ := v.(json.Number)
	f, err := n.Float64()
	if err != nil && n != "" {
		return nil
	}
	return f
}

func jsonTime(v any) any {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func jsonMap(v any) any {
	m, _ := v.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	return m
}
