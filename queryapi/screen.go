package queryapi

import (
	"slices"

	"github.com/graphql-go/graphql"

	"github.com/readside/readside/projections"
)

// screen is a Screen compiled.
type screen struct {
	Screen
	parts map[string]*part
}

// part is a Part compiled.
type part struct {
	Part
	field *graphql.FieldDefinition
	view  *view
	where []partWhere
	order order
}

// partWhere is a condition of a list part: a column equals an argument or one of the
// fixed values.
type partWhere struct {
	column int
	arg    string
	in     []string
}

func (b *builder) addScreen(s Screen) {
	who := "screen " + s.Name
	name := capital(s.Name)
	b.take(name, who)
	compiled := &screen{Screen: s, parts: map[string]*part{}}
	fields := graphql.Fields{}
	for _, p := range s.Parts {
		if c := b.newPart(&s, p); c != nil {
			compiled.parts[p.Name] = c
			fields[p.Name] = b.partField(c)
		}
	}
	if len(fields) == 0 {
		b.fault("%s has no parts: a screen has at least one", who)
		return
	}
	object := graphql.NewObject(graphql.ObjectConfig{Name: name, Description: s.Doc, Fields: fields})
	for name, c := range compiled.parts {
		c.field = object.Fields()[name]
	}
	b.addRoot(s.Name, &graphql.Field{
		Type: graphql.NewNonNull(object), Description: s.Doc, Args: b.arguments(who, s.Args),
		Resolve: func(p graphql.ResolveParams) (any, error) {
			r, key := resultsOf(p)
			return &screenResults{results: r, key: key}, nil
		},
	}, &root{screen: compiled}, who)
}

func (b *builder) newPart(s *Screen, p Part) *part {
	v := b.byName[p.View]
	switch {
	case v == nil:
		b.fault("screen %s, part %s: there is no view %q in the set", s.Name, p.Name, p.View)
		return nil
	case (p.Key == "") == (p.List == nil):
		b.fault("screen %s, part %s: it needs either Key or List", s.Name, p.Name)
		return nil
	case p.Key != "" && !isText(s.Args, p.Key):
		b.fault("screen %s, part %s: its key %q is no text argument of the screen", s.Name, p.Name, p.Key)
		return nil
	}
	c := &part{Part: p, view: v}
	if p.List != nil && !b.listPart(s, c) {
		return nil
	}
	return c
}

func (b *builder) listPart(s *Screen, c *part) bool {
	if c.List.First == 0 {
		c.List = &List{Where: c.List.Where, OrderBy: c.List.OrderBy, First: firstDefault}
	}
	orderBy := c.List.OrderBy
	if orderBy == "" {
		orderBy = c.view.keyName
	}
	var ok bool
	if c.order, ok = c.view.orders[orderBy]; !ok {
		b.fault("screen %s, part %s: view %s has no order %s", s.Name, c.Name, c.View, orderBy)
		return false
	}
	for _, w := range c.List.Where {
		column := c.view.model.Column(w.Column)
		if column < 0 || !filterable(&c.view.model.Columns[column]) {
			b.fault("screen %s, part %s: %q is no column of view %s with an index", s.Name, c.Name, w.Column, c.View)
			return false
		}
		if !b.fits(s, w, &c.view.model.Columns[column]) {
			b.fault("screen %s, part %s: the condition on %s needs an argument of its kind, or fixed texts that its type declares", s.Name, c.Name, w.Column)
			return false
		}
		c.where = append(c.where, partWhere{column: column, arg: w.Arg, in: w.In})
	}
	return true
}

func (b *builder) fits(s *Screen, w Where, c *projections.Column) bool {
	if w.Arg == "" {
		undeclared := func(v string) bool { return c.Values != nil && c.Values.Check(v) != nil }
		return c.Kind == projections.Text && len(w.In) > 0 && len(w.In) <= inMax && !slices.ContainsFunc(w.In, undeclared)
	}
	for _, a := range s.Args {
		if a.Name == w.Arg {
			return a.Kind == c.Kind && len(w.In) == 0
		}
	}
	return false
}

func filterable(c *projections.Column) bool { return c.Key || c.Index || c.Order }

func isText(args []Arg, name string) bool {
	for _, a := range args {
		if a.Name == name {
			return a.Kind == projections.Text
		}
	}
	return false
}

func (b *builder) partField(c *part) *graphql.Field {
	f := &graphql.Field{Description: c.Doc}
	if c.List == nil {
		f.Type = c.view.object
		f.Resolve = func(p graphql.ResolveParams) (any, error) { return p.Source.(*screenResults).page(p).only(), nil }
		return f
	}
	f.Type = graphql.NewNonNull(c.view.page)
	f.Args = pagingArguments(c.List.First)
	f.Resolve = func(p graphql.ResolveParams) (any, error) { return p.Source.(*screenResults).page(p), nil }
	return f
}

// arguments are the arguments of a screen or a report.
func (b *builder) arguments(who string, args []Arg) graphql.FieldConfigArgument {
	out := graphql.FieldConfigArgument{}
	for _, a := range args {
		scalar := b.scalar(a.Kind)
		if scalar == nil || !graphQLName.MatchString(a.Name) || out[a.Name] != nil {
			b.fault("%s: argument %q needs a name of its own and a scalar kind", who, a.Name)
			continue
		}
		if a.Kind == projections.Text && isIdentity(a.Name) {
			scalar = graphql.ID
		}
		c := &graphql.ArgumentConfig{Type: scalar.(graphql.Input), Description: a.Doc, DefaultValue: a.Default}
		if a.Default == nil {
			c.Type = graphql.NewNonNull(scalar)
		}
		out[a.Name] = c
	}
	return out
}

// isIdentity says which text arguments are of type ID.
func isIdentity(name string) bool {
	return name == "id" || len(name) > 2 && name[len(name)-2:] == "Id"
}

// screenResults is a screen's object: what was fetched for its parts.
type screenResults struct {
	results *results
	key     string
}

func (s *screenResults) page(p graphql.ResolveParams) *page {
	return s.results.pages[s.key+"/"+p.Info.Path.Key.(string)]
}
