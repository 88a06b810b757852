// Package sdl prints a GraphQL schema in GraphQL's own language, deterministically:
// the query type first, then types by name, fields and arguments by name.
package sdl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/graphql-go/graphql"
)

// Print is the schema's SDL. Introspection's own types and the built-in scalars are
// left out.
func Print(schema graphql.Schema) string {
	var names []string
	for name := range schema.TypeMap() {
		if !strings.HasPrefix(name, "__") && !builtIn[name] {
			names = append(names, name)
		}
	}
	query := schema.QueryType().Name()
	slices.SortFunc(names, func(a, b string) int {
		if (a == query) != (b == query) {
			return map[bool]int{true: -1, false: 1}[a == query]
		}
		return strings.Compare(a, b)
	})
	blocks := make([]string, len(names))
	for i, name := range names {
		blocks[i] = printType(schema.Type(name))
	}
	return strings.Join(blocks, "\n")
}

var builtIn = map[string]bool{"ID": true, "Int": true, "Float": true, "String": true, "Boolean": true}

func printType(t graphql.Type) string {
	var b strings.Builder
	describe(&b, "", t.Description())
	switch t := t.(type) {
	case *graphql.Scalar:
		fmt.Fprintf(&b, "scalar %s\n", t.Name())
	case *graphql.Object:
		fmt.Fprintf(&b, "type %s {\n", t.Name())
		printFields(&b, t.Fields())
		b.WriteString("}\n")
	case *graphql.Enum:
		printEnum(&b, t)
	case *graphql.InputObject:
		printInput(&b, t)
	default:
		// Interfaces and unions: no schema of ours has them, and silence would hide one.
		panic(fmt.Sprintf("sdl: cannot print %T %s", t, t.Name()))
	}
	return b.String()
}

func printFields(b *strings.Builder, fields graphql.FieldDefinitionMap) {
	for _, name := range sorted(fields) {
		f := fields[name]
		describe(b, "  ", f.Description)
		fmt.Fprintf(b, "  %s%s: %s\n", name, arguments(f.Args), f.Type)
	}
}

func arguments(args []*graphql.Argument) string {
	if len(args) == 0 {
		return ""
	}
	args = slices.Clone(args)
	slices.SortFunc(args, func(a, b *graphql.Argument) int { return strings.Compare(a.Name(), b.Name()) })
	var described bool
	parts := make([]string, len(args))
	for i, a := range args {
		described = described || a.Description() != ""
		parts[i] = fmt.Sprintf("%s: %s%s", a.Name(), a.Type, value(a.DefaultValue, a.Type))
	}
	if !described {
		return "(" + strings.Join(parts, ", ") + ")"
	}
	var b strings.Builder
	b.WriteString("(\n")
	for i, a := range args {
		describe(&b, "    ", a.Description())
		fmt.Fprintf(&b, "    %s\n", parts[i])
	}
	b.WriteString("  )")
	return b.String()
}

func printEnum(b *strings.Builder, t *graphql.Enum) {
	fmt.Fprintf(b, "enum %s {\n", t.Name())
	values := slices.Clone(t.Values())
	slices.SortFunc(values, func(a, b *graphql.EnumValueDefinition) int { return strings.Compare(a.Name, b.Name) })
	for _, v := range values {
		describe(b, "  ", v.Description)
		fmt.Fprintf(b, "  %s\n", v.Name)
	}
	b.WriteString("}\n")
}

func printInput(b *strings.Builder, t *graphql.InputObject) {
	fmt.Fprintf(b, "input %s {\n", t.Name())
	fields := t.Fields()
	for _, name := range sorted(fields) {
		f := fields[name]
		describe(b, "  ", f.Description())
		fmt.Fprintf(b, "  %s: %s%s\n", name, f.Type, value(f.DefaultValue, f.Type))
	}
	b.WriteString("}\n")
}

// value is a default as the language writes it.
func value(v any, t graphql.Input) string {
	if v == nil {
		return ""
	}
	if s, ok := v.(string); ok {
		if _, enum := t.(*graphql.Enum); !enum {
			return " = " + strconv.Quote(s)
		}
	}
	return fmt.Sprintf(" = %v", v)
}

func describe(b *strings.Builder, indent, text string) {
	if text == "" {
		return
	}
	fmt.Fprintf(b, "%s\"\"\"%s\"\"\"\n", indent, strings.ReplaceAll(text, `"""`, `\"""`))
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
