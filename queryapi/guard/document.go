package guard

import (
	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/graphql-go/graphql/language/kinds"

	"github.com/readside/readside/queryapi/refusal"
)

// Document checks what was parsed, and ends at the first fault.
func (l Limits) Document(schema *graphql.Schema, doc *ast.Document) *refusal.Refusal {
	d := &document{limits: l, schema: schema, fragments: map[string]*ast.FragmentDefinition{}}
	for _, step := range []func() *refusal.Refusal{
		func() *refusal.Refusal { return d.define(doc) },
		d.namesOfAll,
		d.cycles,
		d.unusedFragments,
		d.expandAll,
	} {
		if fault := step(); fault != nil {
			return fault
		}
	}
	return nil
}

// document is a parsed document on its way through the checks.
type document struct {
	limits     Limits
	schema     *graphql.Schema
	operations []*ast.OperationDefinition
	order      []*ast.FragmentDefinition
	fragments  map[string]*ast.FragmentDefinition

	spreads, aliases int
	spread           map[string]bool
}

// define sorts the definitions, and counts them.
func (d *document) define(doc *ast.Document) *refusal.Refusal {
	for _, definition := range doc.Definitions {
		var fault *refusal.Refusal
		switch definition := definition.(type) {
		case *ast.OperationDefinition:
			fault = d.operation(definition)
		case *ast.FragmentDefinition:
			fault = d.fragment(definition)
		default:
			fault = invalid(definition, "send queries and fragments only", "a query cannot define types")
		}
		if fault != nil {
			return fault
		}
	}
	if len(d.operations) == 0 {
		return refusal.New(refusal.Invalid, "send a query, such as { __typename }", "the document has no operation")
	}
	return nil
}

func (d *document) operation(o *ast.OperationDefinition) *refusal.Refusal {
	d.operations = append(d.operations, o)
	if len(d.operations) > d.limits.OperationsMax {
		return refusal.Over("operations", d.limits.OperationsMax, len(d.operations), "send the one that is run")
	}
	if o.Operation != ast.OperationTypeQuery {
		return invalid(o, "commands go to the services' own APIs; here is only reading", "there is no %s", o.Operation)
	}
	if n := len(o.VariableDefinitions); n > d.limits.VariablesMax {
		return refusal.Over("variables", d.limits.VariablesMax, n, "pass an input object")
	}
	if len(o.Directives) > 0 {
		return misplaced(o.Directives[0])
	}
	if fault := d.operationName(o); fault != nil {
		return fault
	}
	return d.variables(o)
}

// operationName checks that an operation is alone where it has no name, and has a name
// of its own where it is not.
func (d *document) operationName(o *ast.OperationDefinition) *refusal.Refusal {
	for _, other := range d.operations[:len(d.operations)-1] {
		switch {
		case o.Name == nil || other.Name == nil:
			return invalid(o, "give each operation a name", "an operation without a name stands beside another one")
		case o.Name.Value == other.Name.Value:
			return invalid(o, "give each operation a name of its own", "two operations are named %s", o.Name.Value)
		}
	}
	return nil
}

// variables checks an operation's variables: each defined once, of a type that is there
// and that inputs have, with a default that fits.
func (d *document) variables(o *ast.OperationDefinition) *refusal.Refusal {
	seen := map[string]bool{}
	for _, v := range o.VariableDefinitions {
		variable := v.Variable.Name.Value
		if seen[variable] {
			return invalid(v, "define it once", "variable $%s is defined twice", variable)
		}
		seen[variable] = true
		t, fault := d.variableType(v)
		if fault != nil {
			return fault
		}
		if v.DefaultValue == nil {
			continue
		}
		if _, required := t.(*graphql.NonNull); required {
			return invalid(v, "take the default or the ! away", "variable $%s is required and has a default", variable)
		}
		if fault := d.literal(v.DefaultValue, t); fault != nil {
			fault.Message = "the default of $" + variable + ": " + fault.Message
			return fault
		}
	}
	return nil
}

func (d *document) variableType(v *ast.VariableDefinition) (graphql.Type, *refusal.Refusal) {
	t, named := d.typeOf(v.Type)
	if t == nil {
		return nil, invalid(v, "look the type up in the schema", "variable $%s is of type %s, which is not there", v.Variable.Name.Value, named)
	}
	if !graphql.IsInputType(t) {
		return nil, invalid(v, "declare it with a scalar, an enum or an input type", "variable $%s is of type %s, which no input has", v.Variable.Name.Value, named)
	}
	return t, nil
}

// typeOf finds the type that a document writes, and the name in it; nil for a name that
// the schema does not have.
func (d *document) typeOf(t ast.Type) (graphql.Type, string) {
	switch t := t.(type) {
	case *ast.NonNull:
		inner, name := d.typeOf(t.Type)
		if inner == nil {
			return nil, name
		}
		return graphql.NewNonNull(inner), name
	case *ast.List:
		inner, name := d.typeOf(t.Type)
		if inner == nil {
			return nil, name
		}
		return graphql.NewList(inner), name
	case *ast.Named:
		return d.schema.Type(t.Name.Value), t.Name.Value
	}
	return nil, ""
}

func (d *document) fragment(f *ast.FragmentDefinition) *refusal.Refusal {
	name := f.Name.Value
	if d.fragments[name] != nil {
		return invalid(f, "give each fragment a name of its own", "two fragments are named %s", name)
	}
	if len(f.Directives) > 0 {
		return misplaced(f.Directives[0])
	}
	d.fragments[name] = f
	d.order = append(d.order, f)
	if n := len(d.order); n > d.limits.SpreadsMax {
		return refusal.Over("fragments", d.limits.SpreadsMax, n, "merge some of them")
	}
	return nil
}

// namesOfAll walks every selection set once, as it is written, against the schema.
func (d *document) namesOfAll() *refusal.Refusal {
	d.spread = map[string]bool{}
	for _, o := range d.operations {
		if fault := d.names(o.SelectionSet, d.schema.QueryType()); fault != nil {
			return fault
		}
	}
	for _, f := range d.order {
		t, fault := d.condition(f.TypeCondition)
		if fault != nil {
			return fault
		}
		if fault := d.names(f.SelectionSet, t); fault != nil {
			return fault
		}
	}
	return nil
}

// cycles refuses a fragment that contains itself. The walk visits each fragment
// once; how deep it goes is bounded by how many there are.
func (d *document) cycles() *refusal.Refusal {
	state := map[string]int{} // 1 on the way, 2 done
	for _, f := range d.order {
		if fault := d.cycle(f, state); fault != nil {
			return fault
		}
	}
	return nil
}

func (d *document) cycle(f *ast.FragmentDefinition, state map[string]int) *refusal.Refusal {
	switch state[f.Name.Value] {
	case 1:
		return invalid(f, "take the fragment's own name out of what it contains", "fragment %s contains itself", f.Name.Value)
	case 2:
		return nil
	}
	state[f.Name.Value] = 1
	for _, name := range spreadNames(f.SelectionSet, nil) {
		if fault := d.cycle(d.fragments[name], state); fault != nil {
			return fault
		}
	}
	state[f.Name.Value] = 2
	return nil
}

// spreadNames are the fragments spread in a selection set, at any depth; the
// recursion is bounded by the brackets that Text counted.
func spreadNames(set *ast.SelectionSet, names []string) []string {
	if set == nil {
		return names
	}
	for _, s := range set.Selections {
		if spread, ok := s.(*ast.FragmentSpread); ok {
			names = append(names, spread.Name.Value)
			continue
		}
		names = spreadNames(s.GetSelectionSet(), names)
	}
	return names
}

func (d *document) unusedFragments() *refusal.Refusal {
	for _, f := range d.order {
		if !d.spread[f.Name.Value] {
			return invalid(f, "take it out", "fragment %s is never used", f.Name.Value)
		}
	}
	return nil
}

func invalid(node ast.Node, hint, format string, args ...any) *refusal.Refusal {
	r := refusal.New(refusal.Invalid, hint, format, args...)
	r.Locations = placeOf(node.GetLoc())
	return r
}

// isVariable reports whether a value is one, and which.
func isVariable(v ast.Value) (string, bool) {
	if variable, ok := v.(*ast.Variable); ok && v.GetKind() == kinds.Variable {
		return variable.Name.Value, true
	}
	return "", false
}
