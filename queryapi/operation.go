package queryapi

import (
	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/refusal"
)

// operation is one operation of a valid document with its variables.
type operation struct {
	schema    *Schema
	node      *ast.OperationDefinition
	fragments map[string]*ast.FragmentDefinition
	variables map[string]any
	// fault is the first of a directive whose variable is null.
	fault *refusal.Refusal
}

// newOperation picks the operation to run.
func newOperation(s *Schema, doc *ast.Document, name string, variables map[string]any) (*operation, *refusal.Refusal) {
	o := &operation{schema: s, fragments: map[string]*ast.FragmentDefinition{}, variables: map[string]any{}}
	count := 0
	for _, def := range doc.Definitions {
		switch def := def.(type) {
		case *ast.FragmentDefinition:
			o.fragments[def.Name.Value] = def
		case *ast.OperationDefinition:
			count++
			if name == "" || def.Name != nil && def.Name.Value == name {
				o.node = def
			}
		}
	}
	if o.node == nil {
		return nil, refusal.New(refusal.BadRequest, "send the name of one of the document's operations as operationName", "there is no operation %q", name)
	}
	if name == "" && count > 1 {
		return nil, refusal.New(refusal.BadRequest, "send the name of the one to run as operationName", "the document has %d operations", count)
	}
	return o, o.coerceVariables(variables)
}

// selected is a field of the answer: fields of one key are merged.
type selected struct {
	key  string
	name string
	args []*ast.Argument
	sets []*ast.SelectionSet
}

// collect lists the fields of one level as they will be executed. All types are
// objects, and the document is valid, so every fragment here applies.
func (o *operation) collect(sets []*ast.SelectionSet) []*selected {
	c := collector{operation: o, at: map[string]*selected{}, visited: map[string]bool{}}
	for _, set := range sets {
		c.add(set)
	}
	return c.fields
}

type collector struct {
	*operation
	fields  []*selected
	at      map[string]*selected
	visited map[string]bool
}

func (c *collector) add(set *ast.SelectionSet) {
	if set == nil {
		return
	}
	for _, s := range set.Selections {
		switch s := s.(type) {
		case *ast.Field:
			if c.included(s.Directives) {
				c.field(s)
			}
		case *ast.InlineFragment:
			if c.included(s.Directives) {
				c.add(s.SelectionSet)
			}
		case *ast.FragmentSpread:
			if !c.visited[s.Name.Value] && c.included(s.Directives) {
				c.visited[s.Name.Value] = true
				c.add(c.fragments[s.Name.Value].SelectionSet)
			}
		}
	}
}

func (c *collector) field(f *ast.Field) {
	key := f.Name.Value
	if f.Alias != nil {
		key = f.Alias.Value
	}
	s := c.at[key]
	if s == nil {
		s = &selected{key: key, name: f.Name.Value, args: f.Arguments}
		c.at[key] = s
		c.fields = append(c.fields, s)
	}
	s.sets = append(s.sets, f.SelectionSet)
}

// included obeys @skip and @include.
func (o *operation) included(directives []*ast.Directive) bool {
	for _, d := range directives {
		known, unless := graphql.IncludeDirective, false
		if d.Name.Value == graphql.SkipDirective.Name {
			known, unless = graphql.SkipDirective, true
		}
		args, fault := o.arguments(known.Args, d.Arguments)
		if fault != nil && o.fault == nil {
			o.fault = fault
		}
		if v, ok := args["if"].(bool); !ok || v == unless {
			return false
		}
	}
	return true
}
