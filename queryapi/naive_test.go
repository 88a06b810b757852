package queryapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/jackc/pgx/v5"
)

// The oracle: the books' part of the schema written by hand, with resolvers that each
// run plain SQL for whole rows and page by offset. It shares no code with the API.

// naiveAny writes what it is given: values are made ready by the resolvers.
var naiveAny = graphql.NewScalar(graphql.ScalarConfig{
	Name: "Any", Serialize: func(v any) any { return v }, ParseValue: func(v any) any { return v },
	ParseLiteral: func(v ast.Value) any { return v.GetValue() },
})

func naiveSchema(t testing.TB, s *store) graphql.Schema {
	t.Helper()
	book := naiveBook()
	info := graphql.NewObject(graphql.ObjectConfig{Name: "PageInfo", Fields: graphql.Fields{"hasNextPage": {Type: graphql.Boolean}}})
	edge := graphql.NewObject(graphql.ObjectConfig{Name: "BookEdge", Fields: graphql.Fields{"node": {Type: book}}})
	page := graphql.NewObject(graphql.ObjectConfig{Name: "BookConnection", Fields: graphql.Fields{
		"nodes": {Type: graphql.NewList(book)}, "edges": {Type: graphql.NewList(edge)}, "pageInfo": {Type: info}}})
	filter := graphql.InputObjectConfigFieldMap{}
	for _, column := range []string{"id", "authorId", "title", "pages", "sold", "inPrint", "out", "subtitle", "code", "cost", "bound", "sequel", "award"} {
		filter[column] = &graphql.InputObjectFieldConfig{Type: graphql.NewInputObject(graphql.InputObjectConfig{Name: "F" + column,
			Fields: graphql.InputObjectConfigFieldMap{"eq": {Type: naiveAny}, "in": {Type: graphql.NewList(naiveAny)}, "gte": {Type: naiveAny}, "lt": {Type: naiveAny}, "isNull": {Type: naiveAny}}})}
	}
	schema, err := graphql.NewSchema(graphql.SchemaConfig{Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: graphql.Fields{
		"book": {Type: book, Args: graphql.FieldConfigArgument{"id": {Type: graphql.ID}},
			Resolve: func(p graphql.ResolveParams) (any, error) {
				rows, err := s.naiveRows(`id = `+quoted(p.Args["id"]), "b.id", 1, 0)
				if len(rows) == 0 {
					return nil, err
				}
				return rows[0], err
			}},
		"books": {Type: page, Args: graphql.FieldConfigArgument{
			"first": {Type: graphql.Int, DefaultValue: 50}, "after": {Type: graphql.String}, "orderBy": {Type: naiveAny},
			"filter": {Type: graphql.NewInputObject(graphql.InputObjectConfig{Name: "BookFilter", Fields: filter})}},
			Resolve: s.naivePage},
	}})})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func naiveBook() *graphql.Object {
	anything := func(names ...string) graphql.Fields {
		f := graphql.Fields{}
		for _, n := range names {
			f[n] = &graphql.Field{Type: naiveAny}
		}
		return f
	}
	price := graphql.NewObject(graphql.ObjectConfig{Name: "Price", Fields: anything("amount", "currency")})
	fields := anything("number", "notes", "labels", "printed", "big", "reprint")
	fields["price"] = &graphql.Field{Type: price}
	edition := graphql.NewObject(graphql.ObjectConfig{Name: "Edition", Fields: fields})
	columns := anything("id", "authorId", "title", "pages", "sold", "rating", "inPrint", "subtitle", "seen", "out", "code", "cost", "bound", "rebound", "sequel", "award")
	columns["editions"] = &graphql.Field{Type: graphql.NewList(edition)}
	columns["first"] = &graphql.Field{Type: edition}
	return graphql.NewObject(graphql.ObjectConfig{Name: "Book", Fields: columns})
}

func (s *store) naivePage(p graphql.ResolveParams) (any, error) {
	where := []string{"true"}
	filter, _ := p.Args["filter"].(map[string]any)
	for field, conditions := range filter {
		for op, value := range conditions.(map[string]any) {
			where = append(where, naiveCondition(snakeOf(field), op, value))
		}
	}
	order, _ := p.Args["orderBy"].(string)
	offset, _ := strconv.Atoi(fmt.Sprint(p.Args["after"]))
	first := p.Args["first"].(int)
	rows, err := s.naiveRows(strings.Join(where, " and "), naiveOrder(order), first+1, offset)
	more := len(rows) > first
	rows = rows[:min(first, len(rows))]
	edges := make([]any, len(rows))
	for i, r := range rows {
		edges[i] = map[string]any{"node": r}
	}
	return map[string]any{"nodes": rows, "edges": edges, "pageInfo": map[string]any{"hasNextPage": more}}, err
}

func naiveOrder(order string) string {
	i := strings.LastIndexByte(order, '_')
	if i < 0 {
		return "b.id"
	}
	return fmt.Sprintf("b.%s %s, b.id %s", order[:i], order[i+1:], order[i+1:]) // without b, a text that is selected would be the order
}

func naiveCondition(column, op string, value any) string {
	switch op {
	case "isNull":
		return fmt.Sprintf("(%s is null) = %v", column, value)
	case "gte":
		return column + " >= " + quoted(value)
	case "lt":
		return column + " < " + quoted(value)
	case "in":
		alternatives := []string{"false"}
		for _, v := range value.([]any) {
			alternatives = append(alternatives, column+" = "+quoted(v))
		}
		return "(" + strings.Join(alternatives, " or ") + ")"
	}
	return column + " = " + quoted(value)
}

func quoted(v any) string { return "'" + strings.ReplaceAll(fmt.Sprint(v), "'", "''") + "'" }

func snakeOf(field string) string {
	var b strings.Builder
	for _, r := range field {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (s *store) naiveRows(where, order string, limit, offset int) ([]any, error) {
	sql := fmt.Sprintf(`select id, author_id, title, pages, sold, rating, in_print, subtitle, seen, out, editions::text, first::text, code::text, cost::text, bound, rebound, sequel, award::text
		from views.book_v2_g1 b where _state = 2 and %s order by %s limit %d offset %d`, where, order, limit, offset)
	rows, err := s.db.Pool.Query(context.Background(), sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (any, error) {
		var b book
		var editions, first, code, cost string
		var award *string
		if err := row.Scan(&b.ID, &b.AuthorID, &b.Title, &b.Pages, &b.Sold, &b.Rating, &b.InPrint, &b.Subtitle, &b.Seen, &b.Out, &editions, &first, &code, &cost, &b.Bound, &b.Rebound, &b.Sequel, &award); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(editions), &b.Editions); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(first), &b.First); err != nil {
			return nil, err
		}
		o := naiveObject(b)
		o["code"], o["cost"], o["bound"] = code, cost, b.Bound
		if b.Rebound != nil {
			o["rebound"] = *b.Rebound
		}
		if b.Sequel != nil {
			o["sequel"] = *b.Sequel
		}
		if award != nil {
			o["award"] = *award
		}
		return o, nil
	})
}

func naiveObject(b book) map[string]any {
	o := map[string]any{"id": b.ID, "authorId": b.AuthorID, "title": b.Title, "pages": b.Pages, "sold": long(b.Sold), "rating": b.Rating,
		"inPrint": b.InPrint, "out": moment(b.Out), "first": naiveEdition(b.First)}
	if b.Subtitle != nil {
		o["subtitle"] = *b.Subtitle
	}
	if b.Seen != nil {
		o["seen"] = moment(*b.Seen)
	}
	editions := []any{}
	for _, e := range b.Editions {
		editions = append(editions, naiveEdition(e))
	}
	o["editions"] = editions
	return o
}

func naiveEdition(e edition) map[string]any {
	o := map[string]any{"number": e.Number, "price": map[string]any{"amount": long(e.Price.Amount), "currency": e.Price.Currency},
		"notes": append([]string{}, e.Notes...), "printed": moment(e.Printed), "big": e.Big}
	if e.Labels != nil {
		o["labels"] = e.Labels
	}
	if e.Reprint != nil {
		o["reprint"] = *e.Reprint
	}
	return o
}

func long(n int64) any {
	if n >= 1<<53 || n <= -1<<53 {
		return strconv.FormatInt(n, 10)
	}
	return n
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
