package queryapi

import (
	"slices"

	"github.com/graphql-go/graphql"

	"github.com/readside/readside/projections"
)

// enumOf is the enum of a column whose type declares its values; nil where it declares
// none, or one that is no name of GraphQL: then the column is a String.
func (b *builder) enumOf(c *projections.Column, within string) *graphql.Enum {
	if c.Values == nil || slices.ContainsFunc(c.Values, func(v string) bool { return !isEnumValue(v) }) {
		return nil
	}
	if e := b.enums[c.Type]; e != nil {
		return e
	}
	values := graphql.EnumValueConfigMap{}
	for _, v := range c.Values {
		values[v] = &graphql.EnumValueConfig{Value: v}
	}
	b.enums[c.Type] = graphql.NewEnum(graphql.EnumConfig{Name: b.structName(c.Type, within), Values: values})
	return b.enums[c.Type]
}

// notEnumValues are names that GraphQL takes for other literals.
var notEnumValues = []string{"true", "false", "null"}

func isEnumValue(v string) bool {
	return graphQLName.MatchString(v) && !slices.Contains(notEnumValues, v)
}

// columnType is the GraphQL type of a column's values; nil for JSON.
func (b *builder) columnType(v *view, c *projections.Column) graphql.Type {
	if c.Key {
		return graphql.ID
	}
	if e := b.enumOf(c, pascal(v.model.Name)); e != nil {
		return e
	}
	return b.scalar(c.Kind)
}

// pickEnum picks a declared value; a joined column without a source has none, which is null.
func pickEnum(column int) graphql.FieldResolveFn {
	return func(p graphql.ResolveParams) (any, error) {
		if v := p.Source.(*row).value(column); v != "" {
			return v, nil
		}
		return nil, nil
	}
}
