package queryapi

import (
	"slices"
	"strings"

	"github.com/graphql-go/graphql"

	"github.com/readside/readside/projections"
)

const reportRowsDefault = 1000

// report is a Report compiled.
type report struct {
	Report
}

// ReportRows is what a report returns.
type ReportRows struct {
	// Rows hold a value per column: string, bool, int32, int64, float64 or time.Time, []any
	// of those for a list, nil for NULL. An integer beyond 64 bits is a string of its digits,
	// a decimal and a UUID are strings, too.
	Rows [][]any
	// Truncated reports whether there were more.
	Truncated bool
	// TimeZone is the one that months and days were cut in.
	TimeZone string
	// Watermarks were read before the report.
	Watermarks []*Watermark
}

func (b *builder) addReport(r Report) {
	who := "report " + r.Name
	if r.RowsMax == 0 {
		r.RowsMax = reportRowsDefault
	}
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.SQL)), "select") && !strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.SQL)), "with") {
		b.fault("%s: its SQL is not a SELECT", who)
	}
	if !strings.Contains(r.SQL, "{rows_max:") {
		b.fault("%s: its SQL has no bound: end it with limit {rows_max:UInt64}", who)
	}
	for _, table := range r.Tables {
		if !slices.ContainsFunc(b.definition.Set.Facts(), func(m *projections.FactModel) bool { return m.Name == table }) {
			b.fault("%s: there is no fact %q in the set", who, table)
		}
	}
	name := capital(r.Name)
	b.take(name, who)
	b.take(name+"Row", who)
	fields := graphql.Fields{}
	for i, c := range r.Columns {
		output := b.reportType(&c)
		if output == nil || !graphQLName.MatchString(c.Name) || fields[c.Name] != nil {
			b.fault("%s: column %q needs a name of its own and a scalar kind", who, c.Name)
			continue
		}
		if c.Nullable && c.List {
			b.fault("%s: column %q is a list, which is never null: it is empty", who, c.Name)
			continue
		}
		fields[c.Name] = &graphql.Field{Type: output, Description: c.Doc,
			Resolve: func(p graphql.ResolveParams) (any, error) { return p.Source.([]any)[i], nil }}
	}
	if len(fields) == 0 {
		b.fault("%s has no columns", who)
		return
	}
	rowType := graphql.NewObject(graphql.ObjectConfig{Name: name + "Row", Fields: fields})
	b.addRoot(r.Name, &graphql.Field{
		Type: graphql.NewNonNull(b.reportObject(name, r.Doc, rowType)), Description: r.Doc, Args: b.arguments(who, r.Args),
		Resolve: func(p graphql.ResolveParams) (any, error) {
			results, key := resultsOf(p)
			return results.reports[key], nil
		},
	}, &root{report: &report{r}}, who)
}

// reportType is the GraphQL type of a report's column; nil where its kind has none.
func (b *builder) reportType(c *ReportColumn) graphql.Output {
	scalar := b.scalar(c.Kind)
	switch {
	case scalar == nil:
		return nil
	case c.List:
		return listOfNonNull(graphql.NewNonNull(scalar))
	case c.Nullable:
		return scalar.(graphql.Output)
	}
	return graphql.NewNonNull(scalar)
}

func (b *builder) reportObject(name, doc string, rowType *graphql.Object) *graphql.Object {
	of := func(pick func(*ReportRows) any) graphql.FieldResolveFn {
		return func(p graphql.ResolveParams) (any, error) { return pick(p.Source.(*ReportRows)), nil }
	}
	return graphql.NewObject(graphql.ObjectConfig{
		Name: name, Description: doc,
		Fields: graphql.Fields{
			"rows":      {Type: listOfNonNull(graphql.NewNonNull(rowType)), Resolve: of(func(r *ReportRows) any { return r.Rows })},
			"truncated": {Type: graphql.NewNonNull(graphql.Boolean), Description: "Whether there were more rows than a report may have.", Resolve: of(func(r *ReportRows) any { return r.Truncated })},
			"timeZone":  {Type: graphql.NewNonNull(graphql.String), Description: "The time zone that months are cut in.", Resolve: of(func(r *ReportRows) any { return r.TimeZone })},
			"freshness": {Type: listOfNonNull(graphql.NewNonNull(b.coldFreshness)), Description: "How far the tables of the report had come when it began.", Resolve: of(func(r *ReportRows) any { return r.Watermarks })},
		},
	})
}
