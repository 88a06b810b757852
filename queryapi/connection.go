package queryapi

import (
	"github.com/graphql-go/graphql"

	"github.com/readside/readside/projections"
)

// How many rows a page has.
const (
	firstDefault = 50
	firstMax     = 200
	inMax        = 100
)

func newPageInfo() *graphql.Object {
	return graphql.NewObject(graphql.ObjectConfig{
		Name: "PageInfo", Description: "Where a page ends.",
		Fields: graphql.Fields{
			"hasNextPage": {Type: graphql.NewNonNull(graphql.Boolean), Description: "Whether rows follow.",
				Resolve: func(p graphql.ResolveParams) (any, error) { return p.Source.(*page).more, nil }},
			"endCursor": {Type: graphql.String, Description: "What to pass as after for the next page; null for an empty page.",
				Resolve: func(p graphql.ResolveParams) (any, error) { return p.Source.(*page).endCursor(), nil }},
		},
	})
}

// newConnection is a page of a view's rows: Relay's connection, and nodes beside it.
func (b *builder) newConnection(v *view, name string) *graphql.Object {
	node := graphql.NewNonNull(v.object)
	edge := graphql.NewObject(graphql.ObjectConfig{
		Name: name + "Edge",
		Fields: graphql.Fields{
			"node":   {Type: node, Resolve: pickSelf},
			"cursor": {Type: graphql.NewNonNull(graphql.String), Resolve: func(p graphql.ResolveParams) (any, error) { return p.Source.(*row).cursor(), nil }},
		},
	})
	rows := func(p graphql.ResolveParams) (any, error) { return p.Source.(*page).rows, nil }
	return graphql.NewObject(graphql.ObjectConfig{
		Name: name + "Connection", Description: "A page of rows.",
		Fields: graphql.Fields{
			"nodes":     {Type: listOfNonNull(node), Resolve: rows},
			"edges":     {Type: listOfNonNull(graphql.NewNonNull(edge)), Resolve: rows},
			"pageInfo":  {Type: graphql.NewNonNull(b.pageInfo), Resolve: pickSelf},
			"freshness": {Type: graphql.NewNonNull(b.freshness), Description: "How fresh the page is.", Resolve: func(p graphql.ResolveParams) (any, error) { return p.Source.(*page).fresh, nil }},
		},
	})
}

func listOfNonNull(t graphql.Type) graphql.Output {
	return graphql.NewNonNull(graphql.NewList(t))
}

func pagingArguments(defaultFirst int) graphql.FieldConfigArgument {
	return graphql.FieldConfigArgument{
		"first": {Type: graphql.Int, DefaultValue: defaultFirst, Description: "How many rows, at most 200; null is the default."},
		"after": {Type: graphql.String, Description: "The cursor that the page begins behind; null is the beginning."},
	}
}

func (b *builder) listArguments(v *view, name string) graphql.FieldConfigArgument {
	args := pagingArguments(firstDefault)
	if f := b.newFilter(v, name); f != nil {
		args["filter"] = &graphql.ArgumentConfig{Type: f, Description: "Conditions that all hold: one at least. Leave the argument out to read all rows."}
	}
	values, doc := graphql.EnumValueConfigMap{}, "The orders of the view, ties broken by the key."
	for name, o := range v.orders {
		values[name] = &graphql.EnumValueConfig{Value: name}
		if v.model.Columns[o.column].Nullable {
			doc = "The orders of the view, ties broken by the key. What is null comes last, and first where the order is descending."
		}
	}
	args["orderBy"] = &graphql.ArgumentConfig{
		Type:         graphql.NewEnum(graphql.EnumConfig{Name: name + "Order", Description: doc, Values: values}),
		DefaultValue: v.keyName,
	}
	return args
}

func (b *builder) newFilter(v *view, name string) *graphql.InputObject {
	fields := graphql.InputObjectConfigFieldMap{}
	for field, f := range v.filters {
		fields[field] = &graphql.InputObjectFieldConfig{Type: b.columnFilter(v, &v.model.Columns[f.column], f.ranged)}
	}
	return graphql.NewInputObject(graphql.InputObjectConfig{Name: name + "Filter", Fields: fields})
}

// columnFilter is the input type of a column's conditions, shared by all columns alike.
func (b *builder) columnFilter(v *view, c *projections.Column, ranged bool) *graphql.InputObject {
	t := b.columnType(v, c)
	name := t.Name() + "Filter"
	if ranged {
		name = t.Name() + "RangeFilter"
	}
	if f := b.filters[name]; f != nil {
		return f
	}
	b.take(name, "column "+c.Name)
	value := t.(graphql.Input)
	fields := graphql.InputObjectConfigFieldMap{
		"eq":     {Type: value, Description: "Equal to; nothing equals null."},
		"in":     {Type: graphql.NewList(graphql.NewNonNull(value)), Description: "Equal to one of these, at most 100; nothing is in null."},
		"isNull": {Type: graphql.Boolean, Description: "Whether the column is null."},
	}
	if ranged {
		fields["gte"] = &graphql.InputObjectFieldConfig{Type: value, Description: "At least."}
		fields["lt"] = &graphql.InputObjectFieldConfig{Type: value, Description: "Less than."}
	}
	b.filters[name] = graphql.NewInputObject(graphql.InputObjectConfig{Name: name, Description: "Conditions on a column; all of them hold, and one at least is given. A comparison with null matches nothing.", Fields: fields})
	return b.filters[name]
}
