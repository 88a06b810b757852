package queryapi

import (
	"encoding/json"
	"fmt"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/refusal"
)

// arguments are the values of a field's arguments: from the document, the variables
// and the defaults. Arguments that have none are absent.
func (o *operation) arguments(defs []*graphql.Argument, args []*ast.Argument) map[string]any {
	out := map[string]any{}
	for _, def := range defs {
		v, given := any(nil), false
		for _, arg := range args {
			if arg.Name.Value == def.Name() {
				v, given = o.literal(arg.Value, def.Type)
			}
		}
		if !given && def.DefaultValue != nil {
			v, given = def.DefaultValue, true
		}
		if given {
			out[def.Name()] = v
		}
	}
	return out
}

// literal is the value of what the document says; the document is valid. A variable
// without a value makes the argument absent.
func (o *operation) literal(v ast.Value, t graphql.Input) (any, bool) {
	if n, ok := t.(*graphql.NonNull); ok {
		t = n.OfType.(graphql.Input)
	}
	if variable, ok := v.(*ast.Variable); ok {
		value, given := o.variables[variable.Name.Value]
		return value, given
	}
	switch t := t.(type) {
	case *graphql.List:
		return o.listLiteral(v, t)
	case *graphql.InputObject:
		return o.objectLiteral(v, t)
	case *graphql.Scalar:
		parsed := t.ParseLiteral(v)
		return parsed, parsed != nil
	case *graphql.Enum:
		parsed := t.ParseLiteral(v)
		return parsed, parsed != nil
	}
	return nil, false
}

func (o *operation) listLiteral(v ast.Value, t *graphql.List) (any, bool) {
	items := []ast.Value{v}
	if list, ok := v.(*ast.ListValue); ok {
		items = list.Values
	}
	out := make([]any, 0, len(items))
	for _, item := range items {
		if value, given := o.literal(item, t.OfType.(graphql.Input)); given {
			out = append(out, value)
		}
	}
	return out, true
}

func (o *operation) objectLiteral(v ast.Value, t *graphql.InputObject) (any, bool) {
	object, ok := v.(*ast.ObjectValue)
	if !ok {
		return nil, false
	}
	out := map[string]any{}
	for _, field := range object.Fields {
		def := t.Fields()[field.Name.Value]
		if def == nil {
			continue
		}
		if value, given := o.literal(field.Value, def.Type); given {
			out[field.Name.Value] = value
		}
	}
	return out, true
}

// coerceVariables fits the request's variables to the operation's types.
func (o *operation) coerceVariables(raw map[string]any) *refusal.Refusal {
	for _, def := range o.node.VariableDefinitions {
		name := def.Variable.Name.Value
		t, ok := o.inputType(def.Type)
		if !ok {
			return refusal.New(refusal.BadVariables, "declare it with a scalar, an enum or an input type", "variable $%s has no type of inputs", name)
		}
		value := raw[name]
		if value == nil {
			if fault := o.absentVariable(def, t); fault != nil {
				return fault
			}
			continue
		}
		coerced, err := coerce(value, t)
		if err != nil {
			return refusal.New(refusal.BadVariables, valueHint(t), "variable $%s: %v", name, err)
		}
		o.variables[name] = coerced
	}
	return nil
}

// valueHint says what a variable of the type takes.
func valueHint(t graphql.Input) string {
	hint := "give it a value of type " + t.String()
	if graphql.GetNamed(t).String() == "Time" {
		hint += `, as "2026-11-21T16:45:31Z" (RFC 3339)`
	}
	return hint
}

func (o *operation) absentVariable(def *ast.VariableDefinition, t graphql.Input) *refusal.Refusal {
	name := def.Variable.Name.Value
	if def.DefaultValue != nil {
		if v, given := o.literal(def.DefaultValue, t); given {
			o.variables[name] = v
		}
		return nil
	}
	if _, required := t.(*graphql.NonNull); required {
		return refusal.New(refusal.BadVariables, "pass it in \"variables\"", "variable $%s of type %s has no value", name, t)
	}
	return nil
}

// inputType finds the type that a variable is declared with.
func (o *operation) inputType(t ast.Type) (graphql.Input, bool) {
	switch t := t.(type) {
	case *ast.NonNull:
		inner, ok := o.inputType(t.Type)
		return graphql.NewNonNull(inner), ok
	case *ast.List:
		inner, ok := o.inputType(t.Type)
		return graphql.NewList(inner), ok
	case *ast.Named:
		named := o.schema.graphql.Type(t.Name.Value)
		input, ok := named.(graphql.Input)
		return input, ok && graphql.IsInputType(named)
	}
	return nil, false
}

// coerce fits a decoded JSON value to a type. Input types do not contain themselves,
// so the recursion is as deep as the type.
func coerce(v any, t graphql.Input) (any, error) {
	switch t := t.(type) {
	case *graphql.NonNull:
		if v == nil {
			return nil, fmt.Errorf("null where %s is needed", t)
		}
		return coerce(v, t.OfType.(graphql.Input))
	case *graphql.List:
		return coerceList(v, t)
	case *graphql.InputObject:
		return coerceObject(v, t)
	case *graphql.Scalar:
		exact := exactly(v, t)
		if parsed := t.ParseValue(exact); parsed != nil && isOf(exact, t.Name()) {
			return parsed, nil
		}
	case *graphql.Enum:
		if parsed := t.ParseValue(v); parsed != nil {
			return parsed, nil
		}
	}
	return nil, fmt.Errorf("%.80v is no %s", v, t)
}

// exactly makes an integer of a number where a scalar takes nothing else, and nil of one
// that is none: the library would write the id 1000000 as 1e+06, and cut 1.5 to 1.
func exactly(v any, t *graphql.Scalar) any {
	if n, ok := v.(float64); ok && (t == graphql.ID || t == graphql.Int) {
		return parseLong(n)
	}
	return v
}

// isOf says whether a JSON value is of the sort that a scalar takes. The library's
// own scalars take more: "yes" for true, and lists for strings.
func isOf(v any, scalar string) bool {
	switch v.(type) {
	case string:
		return scalar != "Int" && scalar != "Float" && scalar != "Boolean"
	case float64, int, int64, json.Number:
		return scalar != "String" && scalar != "Boolean" && scalar != "Time"
	case bool:
		return scalar == "Boolean"
	}
	return false
}

func coerceList(v any, t *graphql.List) (any, error) {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	out := make([]any, 0, len(items))
	for i, item := range items {
		value, err := coerce(item, t.OfType.(graphql.Input))
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
		out = append(out, value)
	}
	return out, nil
}

func coerceObject(v any, t *graphql.InputObject) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%.80v is no object", v)
	}
	out := map[string]any{}
	for name, value := range object {
		def := t.Fields()[name]
		if def == nil {
			return nil, fmt.Errorf("%s has no field %.60q", t, name)
		}
		if value == nil {
			continue
		}
		coerced, err := coerce(value, def.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = coerced
	}
	return out, nil
}
