package guard

import (
	"slices"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/refusal"
)

// names checks one selection set as it is written: fields, arguments, directives and
// fragments that exist. The library looks for similar names for each that does not,
// which takes it seconds for thousands.
func (d *document) names(set *ast.SelectionSet, parent graphql.Type) *refusal.Refusal {
	if set == nil {
		return nil
	}
	for _, s := range set.Selections {
		if fault := d.selection(s, parent); fault != nil {
			return fault
		}
	}
	return nil
}

func (d *document) selection(s ast.Selection, parent graphql.Type) *refusal.Refusal {
	switch s := s.(type) {
	case *ast.Field:
		return d.field(s, parent)
	case *ast.InlineFragment:
		return d.inline(s, parent)
	case *ast.FragmentSpread:
		if d.spreads++; d.spreads > d.limits.SpreadsMax {
			return refusal.Over("spreads", d.limits.SpreadsMax, d.spreads, "write the fields where they are needed")
		}
		d.spread[s.Name.Value] = true
		if d.fragments[s.Name.Value] == nil {
			return invalid(s, "define it, or correct its name", "fragment %s is not in the document", s.Name.Value)
		}
		if fault := fits(s, d.fragments[s.Name.Value].TypeCondition, parent); fault != nil {
			return fault
		}
		return d.directives(s.Directives, graphql.DirectiveLocationFragmentSpread)
	}
	return nil
}

// fits refuses a fragment that could never apply: all types are objects, so it must
// be of the very type that it is spread in.
func fits(node ast.Node, condition *ast.Named, parent graphql.Type) *refusal.Refusal {
	if condition.Name.Value == parent.Name() {
		return nil
	}
	return invalid(node, "spread it where a "+condition.Name.Value+" is", "a fragment on %s stands in a %s", condition.Name.Value, parent.Name())
}

func (d *document) inline(s *ast.InlineFragment, parent graphql.Type) *refusal.Refusal {
	if d.spreads++; d.spreads > d.limits.SpreadsMax {
		return refusal.Over("spreads", d.limits.SpreadsMax, d.spreads, "write the fields where they are needed")
	}
	if s.TypeCondition != nil {
		t, fault := d.condition(s.TypeCondition)
		if fault != nil {
			return fault
		}
		if fault := fits(s, s.TypeCondition, parent); fault != nil {
			return fault
		}
		parent = t
	}
	if fault := d.directives(s.Directives, graphql.DirectiveLocationInlineFragment); fault != nil {
		return fault
	}
	return d.names(s.SelectionSet, parent)
}

func (d *document) condition(named *ast.Named) (graphql.Type, *refusal.Refusal) {
	t, ok := d.schema.Type(named.Name.Value).(*graphql.Object)
	if !ok {
		return nil, invalid(named, "name the type of the object that the fragment is spread in", "there is no object type %s", named.Name.Value)
	}
	return t, nil
}

func (d *document) field(f *ast.Field, parent graphql.Type) *refusal.Refusal {
	if f.Alias != nil {
		if d.aliases++; d.aliases > d.limits.AliasesMax {
			return refusal.Over("aliases", d.limits.AliasesMax, d.aliases, "send several requests")
		}
	}
	def := definition(d.schema, parent, f.Name.Value)
	if def == nil {
		return invalid(f, "look its fields up in the schema", "type %s has no field %s", parent.Name(), f.Name.Value)
	}
	if fault := d.arguments(f, "field "+f.Name.Value, def.Args, f.Arguments); fault != nil {
		return fault
	}
	if fault := d.directives(f.Directives, graphql.DirectiveLocationField); fault != nil {
		return fault
	}
	t := graphql.GetNamed(def.Type)
	object, composite := t.(*graphql.Object)
	switch {
	case composite && f.SelectionSet == nil:
		return invalid(f, "select some of its fields: "+f.Name.Value+" { … }", "field %s is of type %s, which has fields", f.Name.Value, object.Name())
	case !composite && f.SelectionSet != nil:
		return invalid(f, "take the braces away", "field %s is of type %s, which has no fields", f.Name.Value, def.Type)
	}
	return d.names(f.SelectionSet, object)
}

// directives checks those of one place. Each stands there once: of two, the library
// obeys the last, and who reads it otherwise would read other columns than it answers.
func (d *document) directives(directives []*ast.Directive, location string) *refusal.Refusal {
	seen := map[string]bool{}
	for _, directive := range directives {
		name := directive.Name.Value
		if seen[name] {
			return invalid(directive, "write it once", "directive @%s stands twice in one place", name)
		}
		seen[name] = true
		known := d.schema.Directive(name)
		if known == nil {
			return invalid(directive, "there are @skip and @include", "there is no directive @%s", name)
		}
		if !slices.Contains(known.Locations, location) {
			return misplaced(directive)
		}
		if fault := d.arguments(directive, "directive @"+name, known.Args, directive.Arguments); fault != nil {
			return fault
		}
	}
	return nil
}

func misplaced(directive *ast.Directive) *refusal.Refusal {
	return invalid(directive, "write @skip and @include behind a field or a fragment's spread", "directive @%s cannot stand here", directive.Name.Value)
}

// definition finds a field, those of introspection included.
func definition(schema *graphql.Schema, parent graphql.Type, name string) *graphql.FieldDefinition {
	object, ok := parent.(*graphql.Object)
	if !ok || object == nil {
		return nil
	}
	switch {
	case name == graphql.TypeNameMetaFieldDef.Name:
		return graphql.TypeNameMetaFieldDef
	case object == schema.QueryType() && name == graphql.SchemaMetaFieldDef.Name:
		return graphql.SchemaMetaFieldDef
	case object == schema.QueryType() && name == graphql.TypeMetaFieldDef.Name:
		return graphql.TypeMetaFieldDef
	}
	return object.Fields()[name]
}
