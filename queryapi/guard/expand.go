package guard

import (
	"strconv"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/refusal"
)

// expandAll measures every operation as it is executed: fragments in place, fields
// of one name merged. That cycles are gone bounds it; NodesMax ends it early.
func (d *document) expandAll() *refusal.Refusal {
	for _, o := range d.operations {
		e := &expansion{document: d, defined: map[string]bool{}, used: map[string]bool{}}
		for _, v := range o.VariableDefinitions {
			e.defined[v.Variable.Name.Value] = true
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
	nodes         int
	defined, used map[string]bool
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
	c := collection{expansion: e, fields: map[string]*merged{}}
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
		if fault := c.uses(s.Directives, s.Arguments); fault != nil {
			return fault
		}
		return c.merge(s)
	case *ast.InlineFragment:
		if fault := c.uses(s.Directives, nil); fault != nil {
			return fault
		}
		return c.add(s.SelectionSet)
	case *ast.FragmentSpread:
		if fault := c.uses(s.Directives, nil); fault != nil {
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

// uses notes the variables that are used, and refuses the first undefined one.
func (c *collection) uses(directives []*ast.Directive, args []*ast.Argument) *refusal.Refusal {
	for _, directive := range directives {
		if fault := c.uses(nil, directive.Arguments); fault != nil {
			return fault
		}
	}
	for _, arg := range args {
		if fault := c.value(arg.Value); fault != nil {
			return fault
		}
	}
	return nil
}

func (c *collection) value(v ast.Value) *refusal.Refusal {
	if name, ok := isVariable(v); ok {
		c.used[name] = true
		if !c.defined[name] {
			return invalid(v, "define it behind the operation's name", "variable $%s is not defined", name)
		}
		return nil
	}
	switch v := v.(type) {
	case *ast.ListValue:
		for _, item := range v.Values {
			if fault := c.value(item); fault != nil {
				return fault
			}
		}
	case *ast.ObjectValue:
		for _, field := range v.Fields {
			if fault := c.value(field.Value); fault != nil {
				return fault
			}
		}
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
			return literal(x.Value) == literal(y.Value)
		}
	}
	return false
}

// literal is a value's text, unambiguous.
func literal(v ast.Value) string {
	switch v := v.(type) {
	case *ast.Variable:
		return "$" + v.Name.Value
	case *ast.StringValue:
		return strconv.Quote(v.Value)
	case *ast.ListValue:
		out := "["
		for _, item := range v.Values {
			out += literal(item) + ","
		}
		return out + "]"
	case *ast.ObjectValue:
		out := "{"
		for _, field := range v.Fields {
			out += field.Name.Value + ":" + literal(field.Value) + ","
		}
		return out + "}"
	}
	if s, ok := v.GetValue().(string); ok {
		return s
	}
	if b, ok := v.GetValue().(bool); ok {
		return strconv.FormatBool(b)
	}
	return v.GetKind()
}
