package queryapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/parser"
	"pgregory.net/rapid"

	"github.com/readside/readside/queryapi"
)

// Whatever is asked, the API answers what plain resolvers over plain SQL answer.
func TestAnswersEqualTheOracle(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for i := range 40 {
		b := aBook(i)
		b.Sold *= []int64{1, -1, 1 << 44}[i%3]
		if i%4 == 0 {
			b.Subtitle = nil
		}
		if i%5 == 0 {
			seen := day.Add(time.Duration(i) * time.Microsecond)
			b.Seen, b.Editions = &seen, nil
		}
		if i%7 == 0 {
			b.Title, b.First.Labels = "Zoë 'quoted' \"twice\" \\ 日本", map[string]string{"a": "b"}
		}
		s.addBook(b)
	}
	s.addBookTo("book_v2_g1", aBook(77), 1)
	a, oracle := s.api(queryapi.Options{}), naiveSchema(t, s)
	compared := 0
	rapid.Check(t, func(rt *rapid.T) {
		q := &generator{t: rt}
		document := q.document()
		cursor, offset := q.cursors(t, a)
		variables := func(after any) map[string]any {
			return map[string]any{"yes": true, "no": false, "after": after}
		}
		got := plain(t, a.Do(context.Background(), queryapi.Request{Query: document, OperationName: "asked", Variables: variables(cursor)}))
		if overCost(got) {
			return // a large document drawn by chance: there is nothing to compare
		}
		compared++
		result := execute(rt, oracle, document, variables(offset))
		if len(result.Errors) > 0 || got["errors"] != nil {
			rt.Fatalf("%s\nthe API: %v\nthe oracle: %v", document, got["errors"], result.Errors)
		}
		if diff := cmp.Diff(decoded(rt, result.Data), got["data"]); diff != "" {
			rt.Fatalf("%s\n%s", document, diff)
		}
	})
	if compared < 50 {
		t.Errorf("only %d documents were compared", compared)
	}
}

// overCost reports whether an answer is the refusal of a document that costs too much.
func overCost(answer map[string]any) bool {
	errs, _ := answer["errors"].([]any)
	if len(errs) != 1 {
		return false
	}
	extensions, _ := errs[0].(map[string]any)["extensions"].(map[string]any)
	return extensions["limit"] == "cost"
}

// execute is the library's executor alone: its validator refuses inline fragments
// without a type in lists.
func execute(t *rapid.T, schema graphql.Schema, document string, variables map[string]any) *graphql.Result {
	doc, err := parser.Parse(parser.ParseParams{Source: document})
	if err != nil {
		t.Fatal(err)
	}
	return graphql.Execute(graphql.ExecuteParams{Schema: schema, AST: doc, OperationName: "asked", Args: variables})
}

func decoded(t *rapid.T, v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// generator draws documents that both schemas take.
type generator struct {
	t     *rapid.T
	order string // of all lists that page by $after
	alias int
}

func (g *generator) pick(label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(g.t, label)
}

func (g *generator) maybe(label, text string) string {
	if rapid.Bool().Draw(g.t, label) {
		return text
	}
	return ""
}

func (g *generator) document() string {
	g.order = g.pick("order", "", "ID_ASC", "TITLE_ASC", "TITLE_DESC", "PAGES_DESC", "SOLD_ASC", "SOLD_DESC", "OUT_DESC", "OUT_ASC",
		"CODE_ASC", "CODE_DESC", "COST_ASC", "COST_DESC", "SEQUEL_ASC", "SEQUEL_DESC", "AWARD_ASC", "AWARD_DESC")
	if g.order == "ID_ASC" {
		g.order = ""
	}
	var b strings.Builder
	b.WriteString("query asked($after: String, $yes: Boolean!, $no: Boolean!) { always: book(id: \"b000\") @include(if: $yes) { id @skip(if: $no) }\n")
	b.WriteString("  paged: books(first: 3, after: $after" + g.orderBy() + ") { nodes { id } }\n")
	for range rapid.IntRange(1, 4).Draw(g.t, "roots") {
		g.alias++
		if rapid.Bool().Draw(g.t, "by key") {
			fmt.Fprintf(&b, "  r%d: book(id: %q) %s { %s }\n", g.alias, g.id(), g.directive(), g.book())
			continue
		}
		fmt.Fprintf(&b, "  r%d: books(%s) %s { %s }\n", g.alias, g.arguments(), g.directive(), g.connection())
	}
	b.WriteString("}\nfragment short on Book { id title ...more }\nfragment more on Book { sold out price: first { price { amount } } }\n")
	b.WriteString("fragment page on BookConnection { pageInfo { hasNextPage } nodes { ...short } }\n")
	return b.String() + "query unused { books { ...page } }"
}

func (g *generator) id() string {
	return fmt.Sprintf("b%03d", rapid.IntRange(0, 45).Draw(g.t, "id"))
}

func (g *generator) orderBy() string {
	if g.order == "" {
		return ""
	}
	return ", orderBy: " + g.order
}

func (g *generator) directive() string {
	return g.pick("directive", "", "", "", "@include(if: $yes)", "@include(if: $no)", "@skip(if: $no)", "@skip(if: $yes)", "@include(if: true) @skip(if: false)")
}

func (g *generator) arguments() string {
	args := fmt.Sprintf("first: %d", rapid.IntRange(0, 25).Draw(g.t, "first")) + g.maybe("ordered", g.orderBy())
	if rapid.Bool().Draw(g.t, "filtered") {
		args += ", filter: {" + strings.Join(g.filters(), ", ") + "}"
	}
	return args
}

func (g *generator) filters() []string {
	number := func(label string, from, to int) int { return rapid.IntRange(from, to).Draw(g.t, label) }
	all := []string{
		fmt.Sprintf(`authorId: {eq: "a%d"}`, number("author", 0, 3)),
		fmt.Sprintf(`authorId: {in: ["a%d", "a%d"]}`, number("author", 0, 3), number("author", 0, 3)),
		fmt.Sprintf(`pages: {gte: %d, lt: %d}`, number("pages", 98, 106), number("pages", 98, 106)),
		fmt.Sprintf(`sold: {gte: %d}`, number("sold", -7000, 7000)),
		fmt.Sprintf(`inPrint: {eq: %t}`, rapid.Bool().Draw(g.t, "in print")),
		fmt.Sprintf(`out: {lt: %q}`, moment(day.Add(time.Duration(number("hours", 0, 15))*time.Hour))),
		fmt.Sprintf(`id: {in: [%q, %q], gte: "b01"}`, g.id(), g.id()),
		fmt.Sprintf(`subtitle: {isNull: %t}`, rapid.Bool().Draw(g.t, "without subtitle")),
		fmt.Sprintf(`cost: {gte: "%d.990", lt: %d.5}`, number("cost", 0, 80), number("cost", 0, 80)),
		fmt.Sprintf(`cost: {in: ["%d.99", 0]}`, number("cost", 0, 20)),
		fmt.Sprintf(`code: {eq: %q}`, uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, number("code", 0, 20)))),
		fmt.Sprintf(`code: {in: [%q], gte: "40000000-0000-0000-0000-000000000000"}`, uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, number("code", 0, 20)))),
		`bound: {eq: ` + g.pick("bound", "hard", "paper", "spiral") + `}`,
		`bound: {in: [hard, ` + g.pick("bound", "hard", "paper", "spiral") + `]}`,
		fmt.Sprintf(`sequel: {isNull: %t}`, rapid.Bool().Draw(g.t, "without sequel")),
		fmt.Sprintf(`award: {lt: "%d.125"}`, number("award", 0, 4)),
		`title: {eq: "Zoë 'quoted' \"twice\" \\ 日本"}`,
	}
	n := number("filters", 1, 3)
	seen, out := map[string]bool{}, []string{}
	for _, f := range rapid.Permutation(all).Draw(g.t, "filter")[:n] {
		if column, _, _ := strings.Cut(f, ":"); !seen[column] {
			seen[column] = true
			out = append(out, f)
		}
	}
	return out
}

func (g *generator) connection() string {
	parts := []string{"nodes { " + g.book() + " }", "edges { node { " + g.book() + " } }", "pageInfo { hasNextPage }", "...page", "again: nodes { " + g.book() + " }"}
	return strings.Join(rapid.Permutation(parts).Draw(g.t, "parts")[:rapid.IntRange(1, 4).Draw(g.t, "n")], " ")
}

func (g *generator) book() string {
	edition := "number notes labels printed big reprint price { amount currency }"
	parts := []string{"id", "authorId", "writer: authorId", "title " + g.directive(), "pages", "sold", "rating", "inPrint", "subtitle", "seen", "out",
		"code", "cost", "bound", "rebound", "sequel award",
		"__typename", "...short", "... on Book { pages ...more } ", "... " + g.directive() + " { id rating }",
		"editions { " + edition + " }", "editions { n: number }", "first { " + edition + " }", "first { price { currency } }"}
	return "id " + strings.Join(rapid.Permutation(parts).Draw(g.t, "fields")[:rapid.IntRange(1, 10).Draw(g.t, "n")], " ")
}

// cursors are the API's cursor behind the k-th row of the order, and the oracle's: k.
func (g *generator) cursors(t *testing.T, a *queryapi.API) (cursor, offset any) {
	k := rapid.IntRange(0, 39).Draw(g.t, "after")
	if k == 0 {
		return nil, nil
	}
	info := ask(t, a, fmt.Sprintf(`{ books(first: %d%s) { pageInfo { endCursor } } }`, k, g.orderBy()))
	return info["books"].(map[string]any)["pageInfo"].(map[string]any)["endCursor"], fmt.Sprint(k)
}
