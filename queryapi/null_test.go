package queryapi_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

// noRows are the ids of a list without rows.
var noRows = []string{}

func idsOf(t testing.TB, answer *queryapi.Answer) []string {
	t.Helper()
	out := plain(t, answer)
	if out["errors"] != nil {
		t.Fatal(out["errors"])
	}
	ids := []string{}
	for _, node := range out["data"].(map[string]any)["books"].(map[string]any)["nodes"].([]any) {
		ids = append(ids, node.(map[string]any)["id"].(string))
	}
	return ids
}

// A null or missing value never widens what is read: a comparison with null matches
// nothing, a comparison with a variable that has no value is refused by its name.
func TestANullNeverWidensWhatIsRead(t *testing.T) {
	t.Parallel()
	a := fullStore(t, 4).api(queryapi.Options{})
	type v = map[string]any
	nodes := func(filter string) string { return `{ books(filter: ` + filter + `) { nodes { id } } }` }
	for _, c := range []struct {
		query     string
		variables v
		refused   string // a part of the message; empty where nothing is matched
	}{
		{`query ($u: String) ` + nodes(`{authorId: {eq: $u}}`), v{"u": nil}, ""},
		{`query ($u: String) ` + nodes(`{authorId: {eq: $u}}`), v{}, "$u has no value"},
		{`query ($u: String) ` + nodes(`{authorId: {eq: $u}}`), nil, "$u has no value"},
		{`query ($u: String = "a1") ` + nodes(`{authorId: {eq: $u}}`), v{"u": nil}, ""},
		{`query ($u: String = null) ` + nodes(`{authorId: {eq: $u}}`), v{}, ""},
		{`query ($u: [String!]) ` + nodes(`{authorId: {in: $u}}`), v{"u": nil}, ""},
		{`query ($u: [String!]) ` + nodes(`{authorId: {in: $u}}`), v{}, "$u has no value"},
		{`query ($u: [String!]) ` + nodes(`{authorId: {in: $u}}`), v{"u": []any{}}, ""},
		{`query ($u: [String!]) ` + nodes(`{authorId: {in: $u}}`), v{"u": []any{"a1", nil}}, "null where"},
		{`query ($u: String!) ` + nodes(`{authorId: {in: [$u, "a1"]}}`), v{"u": nil}, "null where"},
		{`query ($u: String = "a1") ` + nodes(`{authorId: {in: [$u]}}`), v{"u": nil}, "$u is null"},
		{`query ($n: Int) ` + nodes(`{pages: {gte: $n}}`), v{"n": nil}, ""},
		{`query ($n: Int) ` + nodes(`{pages: {gte: 0, lt: $n}}`), v{"n": nil}, ""},
		{`query ($n: Int) ` + nodes(`{pages: {lt: $n}}`), v{}, "$n has no value"},
		{`query ($n: Boolean) ` + nodes(`{subtitle: {isNull: $n}}`), v{"n": nil}, ""},
		{`query ($n: Boolean) ` + nodes(`{subtitle: {isNull: $n}}`), v{}, "$n has no value"},
		{`query ($c: StringFilter) ` + nodes(`{authorId: $c}`), v{"c": nil}, "compares with nothing"},
		{`query ($c: StringFilter) ` + nodes(`{authorId: $c}`), v{}, "$c has no value"},
		{`query ($c: StringFilter) ` + nodes(`{authorId: $c}`), v{"c": v{}}, "compares with nothing"},
		{`query ($f: BookFilter) ` + nodes(`$f`), v{"f": nil}, "argument filter is null"},
		{`query ($f: BookFilter) ` + nodes(`$f`), v{}, "$f has no value"},
		{`query ($f: BookFilter = null) ` + nodes(`$f`), v{}, "argument filter is null"},
		{`query ($f: BookFilter = {inPrint: {eq: true}}) ` + nodes(`$f`), v{"f": nil}, "argument filter is null"},
		{`query ($f: BookFilter) ` + nodes(`$f`), v{"f": v{}}, "no conditions"},
		{`query ($f: BookFilter) ` + nodes(`$f`), v{"f": v{"authorId": v{"in": nil}}}, ""},
		{`query ($f: BookFilter) ` + nodes(`$f`), v{"f": v{"authorId": v{"eq": nil, "in": []any{"a1"}}}}, ""},
		{`query ($f: BookFilter) ` + nodes(`$f`), v{"f": v{"authorId": nil}}, "compares with nothing"},
		{`query ($f: BookFilter) ` + nodes(`$f`), v{"f": v{"authorId": v{"eq": "a1"}, "pages": v{}}}, "compares with nothing"},
		{nodes(`{authorId: {eq: null}}`), nil, ""},
		{nodes(`{authorId: {in: null}}`), nil, ""},
		{nodes(`{pages: {gte: null}, authorId: {eq: "a1"}}`), nil, ""},
		{nodes(`{authorId: {in: [null]}}`), nil, "null stands where"},
		{nodes(`{authorId: null}`), nil, "compares with nothing"},
		{nodes(`{authorId: {}}`), nil, "compares with nothing"},
		{nodes(`null`), nil, "argument filter is null"},
		{`query ($s: Boolean = true) { books @skip(if: $s) { nodes { id } } }`, v{"s": nil}, "$s is null"},
		{`query ($s: Boolean = true) { books { nodes { id @include(if: $s) } } }`, v{"s": nil}, "$s is null"},
		{`{ book(id: null) { id } }`, nil, "null stands where"},
		{`query ($id: ID!) { book(id: $id) { id } }`, v{"id": nil}, "null where"},
		{`query ($id: ID = "b001") { book(id: $id) { id } }`, v{"id": nil}, "$id is null"},
		{`{ shelf(authorId: null) { latest { nodes { id } } } }`, nil, "null stands where"},
	} {
		answer := a.Do(context.Background(), queryapi.Request{Query: c.query, Variables: c.variables})
		if c.refused == "" {
			if diff := cmp.Diff(noRows, idsOf(t, answer)); diff != "" {
				t.Errorf("%s with %v: %s", c.query, c.variables, diff)
			}
			continue
		}
		code, e := refusalOf(t, answer)
		if (code != refusal.BadVariables && code != refusal.Invalid) || !strings.Contains(e.Message, c.refused) || e.Extensions["hint"] == "" {
			t.Errorf("%s with %v: %s %q, want %q", c.query, c.variables, code, e.Message, c.refused)
		}
	}
}

// Where a null cannot widen what is read, it is what leaving the argument out is.
func TestNullPagesAsIfItWereLeftOut(t *testing.T) {
	t.Parallel()
	a := fullStore(t, 4).api(queryapi.Options{})
	all := []string{"b000", "b001", "b002", "b003"}
	type v = map[string]any
	for _, c := range []struct {
		query     string
		variables v
		want      []string
	}{
		{`{ books(first: 1, after: null) { nodes { id } } }`, nil, all[:1]},
		{`{ books(first: null, after: null, orderBy: null) { nodes { id } } }`, nil, all},
		{"\ufeff# é null\n{ books(filter: {authorId: {in: [\"a1\", \"é null\"]}}, after: null, first: 9) { nodes { id } } }", nil, []string{"b001"}},
		{`query ($a: String, $n: Int, $o: BookOrder) { books(after: $a, first: $n, orderBy: $o) { nodes { id } } }`, v{"a": nil, "n": nil, "o": nil}, all},
		{`query ($a: String, $n: Int, $o: BookOrder) { books(after: $a, first: $n, orderBy: $o) { nodes { id } } }`, v{}, all},
		{`query ($n: Int = 2) { books(first: $n) { nodes { id } } }`, v{}, all[:2]},
		{`query ($n: Int = null) { books(first: $n, filter: {}) { nodes { id } } }`, v{}, all},
		{`query ($a: String!) { books(filter: {authorId: {eq: $a}}) { nodes { id } } }`, v{"a": ""}, noRows},
		{`query null($null: ID = null) { books(filter: {id: {in: ["b001"]}}) { nodes { id } } book(id: "b001") { null: id } other: books(filter: {id: {eq: $null}}) { nodes { id } } }`, nil, []string{"b001"}},
		{`{ books(first: 0) { nodes { id } } }`, nil, noRows},
	} {
		if diff := cmp.Diff(c.want, idsOf(t, a.Do(context.Background(), queryapi.Request{Query: c.query, Variables: c.variables}))); diff != "" {
			t.Errorf("%s with %v: %s", c.query, c.variables, diff)
		}
	}
	empty := ask(t, a, `{ books(first: 0) { nodes { id } edges { cursor } pageInfo { hasNextPage endCursor } } none: books(first: 0, filter: {id: {eq: "x"}}) { pageInfo { hasNextPage } } }`)
	want := map[string]any{
		"books": map[string]any{"nodes": []any{}, "edges": []any{}, "pageInfo": map[string]any{"hasNextPage": true, "endCursor": nil}},
		"none":  map[string]any{"pageInfo": map[string]any{"hasNextPage": false}}}
	if diff := cmp.Diff(want, empty); diff != "" {
		t.Error(diff)
	}
}

// Random filters of values, nulls and variables that may be missing: the answer is what
// a loop over the rows finds, or the request is refused.
func TestFiltersWithNullsReadNoMore(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var books []book
	for i := range 30 {
		b := aBook(i)
		if i%3 == 0 {
			b.Subtitle = nil
		}
		books = append(books, b)
		s.addBook(b)
	}
	a := s.api(queryapi.Options{})
	var answered, refused int
	rapid.Check(t, func(rt *rapid.T) {
		f := &nullFilter{t: rt, variables: map[string]any{}, match: func(book) bool { return true }}
		query := f.query()
		answer := a.Do(context.Background(), queryapi.Request{Query: query, Variables: f.variables})
		if len(answer.Errors) > 0 {
			refused++
			if !f.missing || answer.Errors[0].Code() != refusal.BadVariables {
				rt.Fatalf("%s with %v: %v", query, f.variables, answer.Errors)
			}
			return
		}
		answered++
		want := []string{}
		for _, b := range books {
			if f.match(b) {
				want = append(want, b.ID)
			}
		}
		if diff := cmp.Diff(want, idsOf(t, answer)); diff != "" || f.missing {
			rt.Fatalf("%s with %v (a value is missing: %t): %s", query, f.variables, f.missing, diff)
		}
	})
	if answered < 20 || refused < 5 {
		t.Errorf("%d filters were answered and %d refused: that is little to compare", answered, refused)
	}
}

// nullFilter draws a filter, and what it means.
type nullFilter struct {
	t         *rapid.T
	variables map[string]any
	defined   []string
	match     func(book) bool
	missing   bool
}

func (f *nullFilter) query() string {
	columns := rapid.Permutation([]string{"authorId", "subtitle", "pages"}).Draw(f.t, "columns")[:rapid.IntRange(1, 3).Draw(f.t, "n")]
	var conditions []string
	for _, column := range columns {
		conditions = append(conditions, column+": {"+f.condition(column)+"}")
	}
	query := "{ books(filter: {" + strings.Join(conditions, ", ") + "}) { nodes { id } } }"
	if len(f.defined) > 0 {
		query = "query (" + strings.Join(f.defined, ", ") + ") " + query
	}
	return query
}

func (f *nullFilter) condition(column string) string {
	of := func(b book) *string {
		switch column {
		case "authorId":
			return &b.AuthorID
		case "subtitle":
			return b.Subtitle
		}
		pages := fmt.Sprint(b.Pages)
		return &pages
	}
	values := map[string][]string{"authorId": {"a0", "a1"}, "subtitle": {"part 1", "part 4"}, "pages": {"100", "103"}}[column]
	and := func(holds func(v *string) bool) {
		before := f.match
		f.match = func(b book) bool { return before(b) && holds(of(b)) }
	}
	switch rapid.SampledFrom([]string{"eq", "in", "isNull"}).Draw(f.t, "comparison") {
	case "eq":
		value := rapid.SampledFrom(append(values, "null")).Draw(f.t, "value")
		and(func(v *string) bool { return v != nil && *v == value && value != "null" })
		return "eq: " + f.value(column, value)
	case "in":
		if rapid.IntRange(0, 2).Draw(f.t, "in null") == 2 {
			and(func(*string) bool { return false })
			return "in: null"
		}
		in := values[:rapid.IntRange(0, 2).Draw(f.t, "in")]
		and(func(v *string) bool { return v != nil && slices.Contains(in, *v) })
		var items []string
		for _, value := range in {
			items = append(items, literal(column, value))
		}
		return "in: [" + strings.Join(items, ", ") + "]"
	}
	value := rapid.SampledFrom([]string{"true", "false", "null"}).Draw(f.t, "is null")
	and(func(v *string) bool { return value != "null" && (v == nil) == (value == "true") })
	return "isNull: " + value
}

func literal(column, value string) string {
	if column == "pages" || value == "null" {
		return value
	}
	return fmt.Sprintf("%q", value)
}

// value writes a value into the text, or passes it as a variable, or leaves that out.
func (f *nullFilter) value(column, value string) string {
	way := rapid.SampledFrom([]string{"text", "variable", "default", "null over default", "missing"}).Draw(f.t, "way")
	if way == "text" {
		return literal(column, value)
	}
	name := "$" + column
	definition := name + ": " + map[bool]string{true: "Int", false: "String"}[column == "pages"]
	switch way {
	case "variable":
		f.variables[column] = decodedLiteral(column, value)
	case "default":
		definition += " = " + literal(column, value)
	case "null over default":
		definition += " = " + literal(column, value)
		f.variables[column] = nil
		f.match = func(book) bool { return false }
	default:
		f.missing = true
	}
	f.defined = append(f.defined, definition)
	return name
}

func decodedLiteral(column, value string) any {
	switch {
	case value == "null":
		return nil
	case column == "pages":
		n := 0.0
		_, _ = fmt.Sscan(value, &n)
		return n
	}
	return value
}
