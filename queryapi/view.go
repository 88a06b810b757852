package queryapi

import (
	"strings"

	"github.com/graphql-go/graphql"

	"github.com/readside/readside/projections"
)

// view is a view as it is queried.
type view struct {
	model   *projections.Model
	object  *graphql.Object
	page    *graphql.Object        // its connection
	columns map[string]int         // by GraphQL field
	filters map[string]filterField // by GraphQL field
	orders  map[string]order       // by enum value
	keyName string                 // the default order
	// fingerprint is that of the definition which this program was compiled with.
	fingerprint string
}

// order is a declared order: a column and the key, both ways.
type order struct {
	name   string
	column int // the key's for the order by key
	desc   bool
}

// orderBy is the order of a name; that by the key for null.
func (v *view) orderBy(name any) order {
	if name == nil {
		name = v.keyName
	}
	return v.orders[name.(string)]
}

// filterField is a column that lists can be filtered by. Declared values have no ranges:
// theirs would be of the alphabet.
type filterField struct {
	column int
	ranged bool // has gte and lt
}

func (b *builder) addView(m *projections.Model) {
	v := &view{model: m, fingerprint: m.Fingerprint(), columns: map[string]int{}, filters: map[string]filterField{}, orders: map[string]order{}}
	fields := b.viewFields(v)
	name := pascal(m.Name)
	v.object = graphql.NewObject(graphql.ObjectConfig{Name: name, Description: m.Doc, Fields: fields})
	v.page = b.newConnection(v, name)
	b.byName[m.Name] = v
	b.schema.views = append(b.schema.views, v)

	b.addRoot(camel(m.Name), &graphql.Field{
		Type: v.object, Description: sentence("One "+words(m.Name)+" by its key, or null.", m.Doc),
		Args:    graphql.FieldConfigArgument{"id": {Type: graphql.NewNonNull(graphql.ID), Description: "The key: " + camel(m.Columns[m.Key].Name) + "."}},
		Resolve: pickRootRow,
	}, &root{row: v}, "view "+m.Name)
	b.addRoot(b.plural(m.Name), &graphql.Field{
		Type: graphql.NewNonNull(v.page), Description: sentence("A page of the view "+words(m.Name)+".", m.Doc),
		Args: b.listArguments(v, name), Resolve: pickRootPage,
	}, &root{list: v}, "view "+m.Name)
}

func (b *builder) plural(name string) string {
	if p := b.definition.Plurals[name]; p != "" {
		return p
	}
	return plural(camel(name))
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

func sentence(first, doc string) string { return strings.TrimSpace(first + " " + doc) }

// viewFields are the columns' fields, freshness, and whether the row is degraded.
func (b *builder) viewFields(v *view) graphql.Fields {
	fields := graphql.Fields{
		"freshness": {
			Type: graphql.NewNonNull(b.freshness), Description: "How fresh the row is.",
			Resolve: func(p graphql.ResolveParams) (any, error) { return p.Source.(*row).page.fresh, nil },
		},
		degradedField: {
			Type: graphql.NewNonNull(graphql.Boolean), Description: "Whether events of this row wait because one of them could not be folded: the row is as it was before that one.",
			Resolve: func(p graphql.ResolveParams) (any, error) { return p.Source.(*row).degraded, nil },
		},
	}
	for i := range v.model.Columns {
		c := &v.model.Columns[i]
		if c.Hidden && !c.Key {
			continue
		}
		b.addOrders(v, i)
		if c.Key || c.Index || c.Order {
			v.filters[camel(c.Name)] = filterField{column: i, ranged: (c.Key || c.Order) && c.Values == nil}
		}
		if c.Hidden {
			continue
		}
		name := camel(c.Name)
		if fields[name] != nil {
			b.fault("view %s: column %s would be the field %q, which is taken: rename it", v.model.Name, c.Name, name)
			continue
		}
		v.columns[name] = i
		fields[name] = b.columnField(v, i)
	}
	return fields
}

func (b *builder) columnField(v *view, column int) *graphql.Field {
	c := &v.model.Columns[column]
	if c.Kind == projections.JSON {
		s := b.jsonShape(c.Type, pascal(v.model.Name)+capital(camel(c.Name)))
		return &graphql.Field{Type: s.output, Resolve: pickJSONColumn(column, s)}
	}
	t, pick, absent := b.columnType(v, c), pickColumn(column), c.Nullable
	if _, enum := t.(*graphql.Enum); enum {
		pick, absent = pickEnum(column), c.Nullable || c.Join
	}
	if absent {
		return &graphql.Field{Type: t.(graphql.Output), Resolve: pick}
	}
	return &graphql.Field{Type: graphql.NewNonNull(t), Resolve: pick}
}

func (b *builder) addOrders(v *view, column int) {
	c := &v.model.Columns[column]
	name := strings.ToUpper(c.Name)
	if c.Key {
		v.keyName = name + "_ASC"
		v.orders[v.keyName] = order{name: v.keyName, column: column}
	}
	if c.Order && !c.Key {
		v.orders[name+"_ASC"] = order{name: name + "_ASC", column: column}
		v.orders[name+"_DESC"] = order{name: name + "_DESC", column: column, desc: true}
	}
}
