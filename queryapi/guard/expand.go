package guard

import (
	"slices"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/refusal"
)

// expandAll measures every operation as it is executed: fragments in place, fields
// of one name merged. That cycles are gone bounds it; NodesMax ends it early.
func (d *document) expandAll() *refusal.Refusal {
	for _, o := range d.operations {
		e := &expansion{document: d, defined: map[string]*ast.VariableDefinition{}, used: map[string]bool{}}
		for _, v := range o.VariableDefinitions {
			e.defined[v.Variable.Name.Value] = v
		}
		if fault := e.level([]*ast.SelectionSet{o.SelectionSet}, d.schema.QueryType(), place{}); fault != nil {
			return fault
		}
		for _, v := range o.VariableDefinitions {
			if !e.used[v.Variable.Name.Value] {
				return invalid(v, "take it out of the operation", "variable $%s is never used", v.Variable.Name.Value)
			}
		}
	}
	return nil
}

// expansion is one operation being measured.
type expansion struct {
	*document
	nodes   int
	lists   int // of introspection
	defined map[string]*ast.VariableDefinition
	used    map[string]bool
}

// place is where in the answer a level stands.
type place struct {
	depth         int
	introspection bool
	lists         int // of introspection, above
}

// merged are the fields of one level that answer under one key.
type merged struct {
	first *ast.Field
	sets  []*ast.SelectionSet
}

func (e *expansion) level(sets []*ast.SelectionSet, parent *graphql.Object, at place) *refusal.Refusal {
	c := collection{expansion: e, parent: parent, fields: map[string]*merged{}}
	for _, set := range sets {
		if fault := c.add(set); fault != nil {
			return fault
		}
	}
	if most := e.limits.RootsMax; at.depth == 0 && len(c.order) > most {
		return refusal.Over("roots", most, len(c.order), "send several requests, or use a composite screen")
	}
	for _, key := range c.order {
		if fault := e.below(c.fields[key], parent, at); fault != nil {
			return fault
		}
	}
	return nil
}

func (e *expansion) below(m *merged, parent *graphql.Object, at place) *refusal.Refusal {
	def := definition(e.schema, parent, m.first.Name.Value)
	child, ok := graphql.GetNamed(def.Type).(*graphql.Object)
	if !ok {
		return nil
	}
	at.depth++
	at.introspection = at.introspection || def == graphql.SchemaMetaFieldDef || def == graphql.TypeMetaFieldDef
	if most := e.limits.DepthMax; at.depth > most {
		return refusal.Over("depth", most, at.depth, "select fewer levels")
	}
	if _, list := graphql.GetNullable(def.Type).(*graphql.List); list && at.introspection {
		if e.lists++; e.lists > e.limits.IntrospectionFieldsMax {
			return refusal.Over("introspection_fields", e.limits.IntrospectionFieldsMax, e.lists, "send several requests")
		}
	}
	if at.introspection && multiplies[def.Name] {
		if at.lists++; at.lists > e.limits.IntrospectionListsMax {
			return refusal.Over("introspection_lists", e.limits.IntrospectionListsMax, at.lists, "ask for a type's fields with __type, one type at a time")
		}
	}
	return e.level(m.sets, child, at)
}

// multiplies are the lists of introspection that lead on to further types.
var multiplies = map[string]bool{"fields": true, "inputFields": true, "interfaces": true, "possibleTypes": true}

// collection merges the fields of one level.
type collection struct {
	*expansion
	parent *graphql.Object
	order  []string
	fields map[string]*merged
}

func (c *collection) add(set *ast.SelectionSet) *refusal.Refusal {
	if set == nil {
		return nil
	}
	for _, s := range set.Selections {
		if c.nodes++; c.nodes > c.limits.NodesMax {
			return refusal.Over("expanded_nodes", c.limits.NodesMax, c.nodes, "select fewer fields, or spread fewer fragments")
		}
		if fault := c.selection(s); fault != nil {
			return fault
		}
	}
	return nil
}

func (c *collection) selection(s ast.Selection) *refusal.Refusal {
	switch s := s.(type) {
	case *ast.Field:
		if fault := c.usesIn(s.Directives); fault != nil {
			return fault
		}
		if fault := c.uses(definition(c.schema, c.parent, s.Name.Value).Args, s.Arguments); fault != nil {
			return fault
		}
		return c.merge(s)
	case *ast.InlineFragment:
		if fault := c.usesIn(s.Directives); fault != nil {
			return fault
		}
		return c.add(s.SelectionSet)
	case *ast.FragmentSpread:
		if fault := c.usesIn(s.Directives); fault != nil {
			return fault
		}
		return c.add(c.fragments[s.Name.Value].SelectionSet)
	}
	return nil
}

// merge puts a field under its key. All types of the schema are objects, so fields
// of one key conflict exactly if their names or arguments differ.
func (c *collection) merge(f *ast.Field) *refusal.Refusal {
	key := responseKey(f)
	m := c.fields[key]
	if m == nil {
		c.fields[key] = &merged{first: f, sets: []*ast.SelectionSet{f.SelectionSet}}
		c.order = append(c.order, key)
		return nil
	}
	if f.Name.Value != m.first.Name.Value || !sameArguments(f.Arguments, m.first.Arguments) {
		return invalid(f, "give one of them an alias", "two different fields would answer as %s", key)
	}
	m.sets = append(m.sets, f.SelectionSet)
	return nil
}

func responseKey(f *ast.Field) string {
	if f.Alias != nil {
		return f.Alias.Value
	}
	return f.Name.Value
}

// usesIn notes the variables that directives use.
func (c *collection) usesIn(directives []*ast.Directive) *refusal.Refusal {
	for _, directive := range directives {
		if fault := c.uses(c.schema.Directive(directive.Name.Value).Args, directive.Arguments); fault != nil {
			return fault
		}
	}
	return nil
}

// uses notes the variables that arguments use, and refuses the first that is not
// defined, or of a type that its place does not take.
func (c *collection) uses(defs []*graphql.Argument, args []*ast.Argument) *refusal.Refusal {
	for _, arg := range args {
		if fault := c.value(arg.Value, argument(defs, arg.Name.Value).Type); fault != nil {
			return fault
		}
	}
	return nil
}

// value looks for variables in a literal that fits its type.
func (c *collection) value(v ast.Value, t graphql.Type) *refusal.Refusal {
	if name, ok := isVariable(v); ok {
		return c.variable(v, name, t)
	}
	if required, ok := t.(*graphql.NonNull); ok {
		t = required.OfType
	}
	switch v := v.(type) {
	case *ast.ListValue:
		list, ok := t.(*graphql.List)
		if !ok {
			return nil
		}
		for _, item := range v.Values {
			if fault := c.value(item, list.OfType); fault != nil {
				return fault
			}
		}
	case *ast.ObjectValue:
		return c.object(v, t)
	}
	return nil
}

func (c *collection) object(v *ast.ObjectValue, t graphql.Type) *refusal.Refusal {
	if list, ok := t.(*graphql.List); ok {
		return c.value(v, list.OfType) // one value stands for a list of it
	}
	object, ok := t.(*graphql.InputObject)
	if !ok {
		return nil
	}
	defs := object.Fields()
	for _, field := range v.Fields {
		if fault := c.value(field.Value, defs[field.Name.Value].Type); fault != nil {
			return fault
		}
	}
	return nil
}

func (c *collection) variable(v ast.Value, name string, t graphql.Type) *refusal.Refusal {
	c.used[name] = true
	def := c.defined[name]
	if def == nil {
		return invalid(v, "define it behind the operation's name", "variable $%s is not defined", name)
	}
	if !fitsPlace(def.Type, def.DefaultValue != nil && !IsNull(def.DefaultValue), t) {
		return invalid(v, "declare it as "+t.String(), "variable $%s stands where a value of type %s is needed, and may be something else", name, t)
	}
	return nil
}

func sameArguments(a, b []*ast.Argument) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !hasSame(b, x) {
			return false
		}
	}
	return true
}

func hasSame(args []*ast.Argument, x *ast.Argument) bool {
	for _, y := range args {
		if x.Name.Value == y.Name.Value {
			return sameValue(x.Value, y.Value)
		}
	}
	return false
}

// sameValue reports whether two literals are written alike. It visits each part once.
func sameValue(a, b ast.Value) bool {
	if a.GetKind() != b.GetKind() {
		return false
	}
	switch a := a.(type) {
	case *ast.Variable:
		return a.Name.Value == b.(*ast.Variable).Name.Value
	case *ast.ListValue:
		return slices.EqualFunc(a.Values, b.(*ast.ListValue).Values, sameValue)
	case *ast.ObjectValue:
		return slices.EqualFunc(a.Fields, b.(*ast.ObjectValue).Fields, func(x, y *ast.ObjectField) bool {
			return x.Name.Value == y.Name.Value && sameValue(x.Value, y.Value)
		})
	}
	return a.GetValue() == b.GetValue()
}
