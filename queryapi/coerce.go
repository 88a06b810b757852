package queryapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/guard"
	"github.com/readside/readside/queryapi/refusal"
)

// Null is a value, nil, and is not the same as no value. What a query compares with null
// matches nothing, and what it compares with a variable that the request leaves out is a
// fault of the request: a null or missing value never widens what is read.

// arguments are the values of a field's arguments: from the document, the variables
// and the defaults. Arguments that have none are absent; null is nil.
func (o *operation) arguments(defs []*graphql.Argument, args []*ast.Argument) (map[string]any, *refusal.Refusal) {
	out := map[string]any{}
	for _, def := range defs {
		v, given := any(nil), false
		for _, arg := range args {
			if arg.Name.Value != def.Name() {
				continue
			}
			var fault *refusal.Refusal
			if v, given, fault = o.literal(arg.Value, def.Type); fault != nil {
				return nil, fault
			}
		}
		if !given && def.DefaultValue != nil {
			v, given = def.DefaultValue, true
		}
		if given {
			out[def.Name()] = v
		}
	}
	return out, nil
}

// written refuses arguments that the document gives as null, or by a variable that is
// null or has no value. They decide which rows are read: taken for absent, they would
// read others.
func (o *operation) written(args []*ast.Argument, decides func(name string) bool) *refusal.Refusal {
	for _, arg := range args {
		if !decides(arg.Name.Value) {
			continue
		}
		null := guard.IsNull(arg.Value)
		if variable, ok := arg.Value.(*ast.Variable); ok {
			value, given := o.variables[variable.Name.Value]
			if !given {
				return missing(variable.Name.Value)
			}
			null = value == nil
		}
		if null {
			return refusal.New(refusal.BadVariables, "give it a value, or leave the argument out of the query", "argument %s is null", arg.Name.Value)
		}
	}
	return nil
}

func missing(variable string) *refusal.Refusal {
	return refusal.New(refusal.BadVariables, `pass it in "variables"; pass null to compare with null, which matches nothing`,
		"variable $%s has no value, and what is read depends on it", variable)
}

// literal is the value of what the document says; the document is valid. A variable
// without a value makes an argument absent; within an object or a list it is a fault.
func (o *operation) literal(v ast.Value, t graphql.Input) (any, bool, *refusal.Refusal) {
	required, isRequired := t.(*graphql.NonNull)
	if isRequired {
		t = required.OfType.(graphql.Input)
	}
	if variable, ok := v.(*ast.Variable); ok {
		value, given := o.variables[variable.Name.Value]
		if isRequired && value == nil {
			return nil, false, refusal.New(refusal.BadVariables, "pass a value, or leave the variable out for its default",
				"variable $%s is null where a value of type %s is needed", variable.Name.Value, required)
		}
		return value, given, nil
	}
	if guard.IsNull(v) {
		return nil, true, nil
	}
	switch t := t.(type) {
	case *graphql.List:
		return o.listLiteral(v, t)
	case *graphql.InputObject:
		return o.objectLiteral(v, t)
	case *graphql.Scalar:
		parsed := t.ParseLiteral(v)
		return parsed, parsed != nil, nil
	case *graphql.Enum:
		parsed := t.ParseLiteral(v)
		return parsed, parsed != nil, nil
	}
	return nil, false, nil
}

func (o *operation) listLiteral(v ast.Value, t *graphql.List) (any, bool, *refusal.Refusal) {
	items := []ast.Value{v}
	if list, ok := v.(*ast.ListValue); ok {
		items = list.Values
	}
	out := make([]any, 0, len(items))
	for _, item := range items {
		value, fault := o.part(item, t.OfType.(graphql.Input))
		if fault != nil {
			return nil, false, fault
		}
		out = append(out, value)
	}
	return out, true, nil
}

func (o *operation) objectLiteral(v ast.Value, t *graphql.InputObject) (any, bool, *refusal.Refusal) {
	object, ok := v.(*ast.ObjectValue)
	if !ok {
		return nil, false, nil
	}
	out := map[string]any{}
	for _, field := range object.Fields {
		def := t.Fields()[field.Name.Value]
		if def == nil {
			continue
		}
		value, fault := o.part(field.Value, def.Type)
		if fault != nil {
			return nil, false, fault
		}
		out[field.Name.Value] = value
	}
	return out, true, nil
}

// part is the value of a part of an object or a list.
func (o *operation) part(v ast.Value, t graphql.Input) (any, *refusal.Refusal) {
	value, given, fault := o.literal(v, t)
	if variable, ok := v.(*ast.Variable); ok && fault == nil && !given {
		return nil, missing(variable.Name.Value)
	}
	return value, fault
}

// coerceVariables fits the request's variables to the operation's types. It stops at the
// first that does not fit: the library would print all of them, whole.
func (o *operation) coerceVariables(raw map[string]any) *refusal.Refusal {
	for _, def := range o.node.VariableDefinitions {
		name := def.Variable.Name.Value
		t, ok := o.inputType(def.Type)
		if !ok {
			return refusal.New(refusal.BadVariables, "declare it with a scalar, an enum or an input type", "variable $%s has no type of inputs", name)
		}
		value, given := raw[name]
		if !given {
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
	switch graphql.GetNamed(t).String() {
	case "Time":
		hint += `, as "2026-11-21T16:45:31Z" (RFC 3339)`
	case "Decimal":
		hint += `, as the string "12.50"`
	}
	return hint
}

func (o *operation) absentVariable(def *ast.VariableDefinition, t graphql.Input) *refusal.Refusal {
	name := def.Variable.Name.Value
	if def.DefaultValue != nil {
		v, given, fault := o.literal(def.DefaultValue, t)
		if given {
			o.variables[name] = v
		}
		return fault
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

// coerce fits a decoded JSON value to a type; null fits every type that is not
// required. Input types do not contain themselves, so the recursion is as deep as the
// type.
func coerce(v any, t graphql.Input) (any, error) {
	if required, ok := t.(*graphql.NonNull); ok {
		if v == nil {
			return nil, fmt.Errorf("null where a value of type %s is needed", t)
		}
		return coerce(v, required.OfType.(graphql.Input))
	}
	if v == nil {
		return nil, nil
	}
	switch t := t.(type) {
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
		if name, ok := v.(string); ok {
			if parsed := t.ParseValue(name); parsed != nil {
				return parsed, nil
			}
		}
	}
	return nil, fmt.Errorf("%s is no %s", shownValue(v), t)
}

// shownValue describes a JSON value in a few characters, however large it is.
func shownValue(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%.60q", v)
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return "an object"
	}
	return fmt.Sprint(v)
}

// exactly makes an integer of a number where a scalar takes nothing else, and nil of one
// that is none: the library would write the id 1000000 as 1e+06, and cut 1.5 to 1.
func exactly(v any, t *graphql.Scalar) any {
	if n, ok := v.(float64); ok && (t == graphql.ID || t == graphql.Int) {
		return parseLong(n)
	}
	return v
}

// isOf reports whether a JSON value is of the sort that a scalar takes. The library's
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
		return nil, fmt.Errorf("%s is no %s", shownValue(v), t)
	}
	out := make(map[string]any, len(object))
	for _, name := range slices.Sorted(maps.Keys(object)) {
		def := t.Fields()[name]
		if def == nil {
			return nil, fmt.Errorf("%s has no field %.60q", t, name)
		}
		coerced, err := coerce(object[name], def.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = coerced
	}
	for name, def := range t.Fields() {
		if _, required := def.Type.(*graphql.NonNull); !required {
			continue
		}
		if _, given := object[name]; !given {
			return nil, fmt.Errorf("%s needs its field %s", t, name)
		}
	}
	return out, nil
}
