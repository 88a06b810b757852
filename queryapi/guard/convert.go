package guard

import (
	gql "github.com/vektah/gqlparser/v2/ast"

	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/refusal"
)

// converted is a parsed document as graphql-go has it. What graphql-go does not know,
// variables of fragments and directives of variables, is refused.
func converted(parsed *gql.QueryDocument) (*ast.Document, *refusal.Refusal) {
	doc := ast.NewDocument(&ast.Document{})
	for _, o := range parsed.Operations {
		for _, v := range o.VariableDefinitions {
			if len(v.Directives) > 0 {
				return nil, misplaced(directives(v.Directives)[0])
			}
		}
		doc.Definitions = append(doc.Definitions, operationDefinition(o))
	}
	for _, f := range parsed.Fragments {
		definition := fragmentDefinition(f)
		if len(f.VariableDefinition) > 0 {
			return nil, invalid(definition, "define variables behind the operation's name", "fragment %s has variables of its own", f.Name)
		}
		doc.Definitions = append(doc.Definitions, definition)
	}
	return doc, nil
}

// at is where a node stands: line and column, which graphql-go has no need of, in place
// of offsets. The executor would look for the line of every error in the whole text.
func at(p *gql.Position) *ast.Location {
	if p == nil {
		return &ast.Location{}
	}
	return &ast.Location{Start: p.Line, End: p.Column}
}

// placeOf is what at wrote down.
func placeOf(loc *ast.Location) []refusal.Location {
	if loc == nil || loc.Start == 0 {
		return nil
	}
	return []refusal.Location{{Line: loc.Start, Column: loc.End}}
}

func name(text string, p *gql.Position) *ast.Name {
	return ast.NewName(&ast.Name{Value: text, Loc: at(p)})
}

func named(text string, p *gql.Position) *ast.Named {
	return ast.NewNamed(&ast.Named{Name: name(text, p), Loc: at(p)})
}

func operationDefinition(o *gql.OperationDefinition) *ast.OperationDefinition {
	out := &ast.OperationDefinition{
		Operation: string(o.Operation), Directives: directives(o.Directives),
		SelectionSet: selectionSet(o.SelectionSet, o.Position), Loc: at(o.Position),
	}
	if o.Name != "" {
		out.Name = name(o.Name, o.Position)
	}
	for _, v := range o.VariableDefinitions {
		out.VariableDefinitions = append(out.VariableDefinitions, ast.NewVariableDefinition(&ast.VariableDefinition{
			Variable: ast.NewVariable(&ast.Variable{Name: name(v.Variable, v.Position), Loc: at(v.Position)}),
			Type:     writtenType(v.Type), DefaultValue: value(v.DefaultValue), Loc: at(v.Position),
		}))
	}
	return ast.NewOperationDefinition(out)
}

func fragmentDefinition(f *gql.FragmentDefinition) *ast.FragmentDefinition {
	return ast.NewFragmentDefinition(&ast.FragmentDefinition{
		Operation: "fragment", Name: name(f.Name, f.Position), TypeCondition: named(f.TypeCondition, f.Position),
		Directives: directives(f.Directives), SelectionSet: selectionSet(f.SelectionSet, f.Position), Loc: at(f.Position),
	})
}

func writtenType(t *gql.Type) ast.Type {
	var out ast.Type
	if t.Elem != nil {
		out = ast.NewList(&ast.List{Type: writtenType(t.Elem), Loc: at(t.Position)})
	} else {
		out = named(t.NamedType, t.Position)
	}
	if t.NonNull {
		return ast.NewNonNull(&ast.NonNull{Type: out, Loc: at(t.Position)})
	}
	return out
}

func selectionSet(selections gql.SelectionSet, p *gql.Position) *ast.SelectionSet {
	if len(selections) == 0 {
		return nil
	}
	out := &ast.SelectionSet{Loc: at(p)}
	for _, s := range selections {
		switch s := s.(type) {
		case *gql.Field:
			out.Selections = append(out.Selections, field(s))
		case *gql.FragmentSpread:
			out.Selections = append(out.Selections, ast.NewFragmentSpread(&ast.FragmentSpread{
				Name: name(s.Name, s.Position), Directives: directives(s.Directives), Loc: at(s.Position)}))
		case *gql.InlineFragment:
			inline := &ast.InlineFragment{Directives: directives(s.Directives), SelectionSet: selectionSet(s.SelectionSet, s.Position), Loc: at(s.Position)}
			if s.TypeCondition != "" {
				inline.TypeCondition = named(s.TypeCondition, s.Position)
			}
			out.Selections = append(out.Selections, ast.NewInlineFragment(inline))
		}
	}
	return ast.NewSelectionSet(out)
}

func field(f *gql.Field) *ast.Field {
	out := &ast.Field{
		Name: name(f.Name, f.Position), Arguments: arguments(f.Arguments), Directives: directives(f.Directives),
		SelectionSet: selectionSet(f.SelectionSet, f.Position), Loc: at(f.Position),
	}
	if f.Alias != f.Name {
		out.Alias = name(f.Alias, f.Position)
	}
	return ast.NewField(out)
}

func directives(all gql.DirectiveList) []*ast.Directive {
	out := make([]*ast.Directive, 0, len(all))
	for _, d := range all {
		out = append(out, ast.NewDirective(&ast.Directive{Name: name(d.Name, d.Position), Arguments: arguments(d.Arguments), Loc: at(d.Position)}))
	}
	return out
}

func arguments(all gql.ArgumentList) []*ast.Argument {
	out := make([]*ast.Argument, 0, len(all))
	for _, a := range all {
		out = append(out, ast.NewArgument(&ast.Argument{Name: name(a.Name, a.Position), Value: value(a.Value), Loc: at(a.Position)}))
	}
	return out
}

// value is a literal or a variable; nil for none.
func value(v *gql.Value) ast.Value {
	if v == nil {
		return nil
	}
	loc := at(v.Position)
	switch v.Kind {
	case gql.Variable:
		return ast.NewVariable(&ast.Variable{Name: name(v.Raw, v.Position), Loc: loc})
	case gql.IntValue:
		return ast.NewIntValue(&ast.IntValue{Value: v.Raw, Loc: loc})
	case gql.FloatValue:
		return ast.NewFloatValue(&ast.FloatValue{Value: v.Raw, Loc: loc})
	case gql.StringValue, gql.BlockValue:
		return ast.NewStringValue(&ast.StringValue{Value: v.Raw, Loc: loc})
	case gql.BooleanValue:
		return ast.NewBooleanValue(&ast.BooleanValue{Value: v.Raw == "true", Loc: loc})
	case gql.NullValue:
		return ast.NewEnumValue(&ast.EnumValue{Value: nullName, Loc: loc})
	case gql.EnumValue:
		return ast.NewEnumValue(&ast.EnumValue{Value: v.Raw, Loc: loc})
	case gql.ListValue:
		list := &ast.ListValue{Values: make([]ast.Value, 0, len(v.Children)), Loc: loc}
		for _, child := range v.Children {
			list.Values = append(list.Values, value(child.Value))
		}
		return ast.NewListValue(list)
	}
	object := &ast.ObjectValue{Fields: make([]*ast.ObjectField, 0, len(v.Children)), Loc: loc}
	for _, child := range v.Children {
		object.Fields = append(object.Fields, ast.NewObjectField(&ast.ObjectField{Name: name(child.Name, child.Position), Value: value(child.Value), Loc: at(child.Position)}))
	}
	return ast.NewObjectValue(object)
}
