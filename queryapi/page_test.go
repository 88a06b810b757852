package queryapi_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

func fullStore(t *testing.T, books int) *store {
	t.Helper()
	s := newStore(t)
	for i := range books {
		s.addBook(aBook(i))
	}
	return s
}

// pages reads a list to its end, and returns every id it saw.
func pages(t *testing.T, a *queryapi.API, args string, first int) []string {
	t.Helper()
	var ids []string
	after := ""
	for range 100 {
		query := fmt.Sprintf(`{ books(first: %d%s%s) { edges { node { id } cursor } pageInfo { hasNextPage endCursor } } }`, first, args, after)
		list := ask(t, a, query)["books"].(map[string]any)
		edges := list["edges"].([]any)
		for _, e := range edges {
			ids = append(ids, e.(map[string]any)["node"].(map[string]any)["id"].(string))
		}
		info := list["pageInfo"].(map[string]any)
		if len(edges) > 0 && edges[len(edges)-1].(map[string]any)["cursor"] != info["endCursor"] {
			t.Fatalf("endCursor is not the last edge's cursor")
		}
		if info["hasNextPage"] == false {
			return ids
		}
		if len(edges) != first {
			t.Fatalf("a page of %d has %d rows", first, len(edges))
		}
		after = fmt.Sprintf(", after: %q", info["endCursor"])
	}
	t.Fatal("the list does not end")
	return nil
}

func TestPagesHaveEveryRowOnce(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 25)
	a := s.api(queryapi.Options{})
	for _, column := range []string{"title", "pages", "sold", "out", "code", "cost", "sequel", "award"} {
		for _, direction := range []string{"asc", "desc"} {
			var want []string
			rows, err := s.db.Pool.Query(context.Background(), fmt.Sprintf("select id from views.book_v2_g1 order by %s %s, id %s", column, direction, direction))
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					t.Fatal(err)
				}
				want = append(want, id)
			}
			orderBy := fmt.Sprintf(", orderBy: %s_%s", strings.ToUpper(column), strings.ToUpper(direction))
			for _, first := range []int{1, 7, 25, 200} {
				if diff := cmp.Diff(want, pages(t, a, orderBy, first)); diff != "" {
					t.Errorf("%s, pages of %d: %s", orderBy, first, diff)
				}
			}
		}
	}
	if got := pages(t, a, "", 10); len(got) != 25 {
		t.Errorf("by key: %d rows, want 25", len(got))
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 25)
	s.exec(`update views.book_v2_g1 set subtitle = null where pages = 101`)
	a := s.api(queryapi.Options{})
	for filter, condition := range map[string]string{
		`{authorId: {eq: "a1"}}`:                            `author_id = 'a1'`,
		`{authorId: {in: ["a1", "a2", "nobody"]}}`:          `author_id in ('a1', 'a2')`,
		`{authorId: {in: []}}`:                              `false`,
		`{inPrint: {eq: true}, authorId: {eq: "a0"}}`:       `in_print and author_id = 'a0'`,
		`{pages: {gte: 101, lt: 103}}`:                      `pages >= 101 and pages < 103`,
		`{sold: {in: [1000, "2000"]}}`:                      `sold in (1000, 2000)`,
		`{out: {gte: "2026-03-01T11:30:00.25Z"}}`:           `out >= '2026-03-01T11:30:00.25Z'`,
		`{out: {lt: "2026-03-01T12:30:00.25+01:00"}}`:       `out < '2026-03-01T11:30:00.25Z'`,
		`{id: {in: ["b001", "b017"]}}`:                      `id in ('b001', 'b017')`,
		`{title: {eq: "Title 3"}, pages: {in: [106, 101]}}`: `title = 'Title 3' and pages in (106, 101)`,
		`{subtitle: {isNull: true}}`:                        `subtitle is null`,
		`{subtitle: {isNull: false, eq: "part 3"}}`:         `subtitle = 'part 3'`,
		`{subtitle: {isNull: true, eq: "part 3"}}`:          `false`,
		`{title: {isNull: true}}`:                           `false`,
		`{title: {isNull: false}}`:                          `true`,
		`{}`:                                                `true`,
	} {
		var want []string
		err := s.db.Pool.QueryRow(context.Background(), "select coalesce(array_agg(id order by id), '{}') from views.book_v2_g1 where "+condition).Scan(&want)
		if err != nil {
			t.Fatal(err)
		}
		got := pages(t, a, ", filter: "+filter, 3)
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %v, want %v", filter, got, want)
		}
	}
}

func TestListsRefuse(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 5)
	a := s.api(queryapi.Options{})
	cursor := func(args string) string {
		list := ask(t, a, `{ books(first: 1`+args+`) { pageInfo { endCursor } } }`)["books"].(map[string]any)
		return list["pageInfo"].(map[string]any)["endCursor"].(string)
	}
	authors := `{ authors(after: "` + cursor("") + `") { nodes { name } } }`
	for query, code := range map[string]string{
		`{ books(first: 201) { nodes { id } } }`:                                                       refusal.TooLarge,
		`{ books(first: -1) { nodes { id } } }`:                                                        refusal.TooLarge,
		`{ books(after: "xx") { nodes { id } } }`:                                                      refusal.BadCursor,
		`{ books(after: "` + cursor("") + `", orderBy: OUT_DESC) { nodes { id } } }`:                   refusal.BadCursor,
		`{ books(after: "` + cursor(", orderBy: OUT_ASC") + `", orderBy: OUT_DESC) { nodes { id } } }`: refusal.BadCursor,
		authors: refusal.BadCursor,
		`{ books(filter: {rating: {eq: 1}}) { nodes { id } } }`:                                       refusal.Invalid,
		`{ books(filter: {authorId: {gte: "a"}}) { nodes { id } } }`:                                  refusal.Invalid,
		`{ books(orderBy: RATING_ASC) { nodes { id } } }`:                                             refusal.Invalid,
		`{ books(filter: {authorId: {in: [` + strings.Repeat(`"a",`, 101) + `]}}) { nodes { id } } }`: refusal.TooLarge,
		`{ book(id: "a\u0000b") { id } }`:                                                             refusal.BadVariables,
		`{ book { id } }`:                                                                             refusal.Invalid,
		`{ books(first: 200) { nodes { editions { price { amount currency } number notes labels big } } edges { node { editions { price { amount currency } number notes labels big } first { price { amount currency } } } } } }`: refusal.TooLarge,
	} {
		got, e := refusalOf(t, a.Do(context.Background(), queryapi.Request{Query: query}))
		if got != code || e.Extensions["hint"] == "" {
			t.Errorf("%.120s\n: %s %q, want %s", query, got, e.Message, code)
		}
	}
}

func TestVariablesFragmentsAndDirectives(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 6)
	a := s.api(queryapi.Options{})
	query := `query ($id: ID!, $first: Int = 2, $with: Boolean!, $filter: BookFilter, $order: BookOrder) {
		book(id: $id) { ...names title @include(if: $with) pages @skip(if: $with) }
		book(id: $id) { sold }
		list: books(first: $first, filter: $filter, orderBy: $order) { ... on BookConnection { nodes { ...names } } edges @skip(if: true) { cursor } }
		absent: books @include(if: false) { nodes { id } }
	}
	fragment names on Book { id author: authorId }`
	answer := plain(t, a.Do(context.Background(), queryapi.Request{Query: query, Variables: map[string]any{
		"id": "b001", "with": true, "filter": map[string]any{"inPrint": map[string]any{"eq": true}}, "order": "SOLD_DESC",
	}}))
	want := map[string]any{
		"book": map[string]any{"id": "b001", "author": "a1", "title": "Title 0", "sold": 1000.0},
		"list": map[string]any{"nodes": []any{
			map[string]any{"id": "b004", "author": "a1"}, map[string]any{"id": "b002", "author": "a2"}}},
	}
	if diff := cmp.Diff(want, answer["data"]); diff != "" {
		t.Error(diff, answer["errors"])
	}
	for _, variables := range []map[string]any{
		nil,
		{"id": "b001"},
		{"id": "b001", "with": "yes"},
		{"id": "b001", "with": true, "first": "many"},
		{"id": "b001", "with": true, "filter": map[string]any{"nothing": 1}},
		{"id": "b001", "with": true, "filter": 7},
		{"id": "b001", "with": true, "order": "BY_LUCK"},
		{"id": []any{"b001"}, "with": true},
	} {
		code, _ := refusalOf(t, a.Do(context.Background(), queryapi.Request{Query: query, Variables: variables}))
		if code != refusal.BadVariables {
			t.Errorf("%v: %s, want %s", variables, code, refusal.BadVariables)
		}
	}
}

func TestAScreenAnswersItsParts(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 12)
	s.addAuthor("a1", "Ann")
	a := s.api(queryapi.Options{})
	got := ask(t, a, `query { shelf(authorId: "a1") { author { name } latest { nodes { id } pageInfo { hasNextPage } } best(first: 1) { nodes { id sold } }
		more: best(first: 3) { nodes { id } } } other: shelf(authorId: "none") { author { name } latest { nodes { id } } } }`)
	want := map[string]any{
		"shelf": map[string]any{
			"author": map[string]any{"name": "Ann"},
			"latest": map[string]any{"nodes": []any{map[string]any{"id": "b010"}, map[string]any{"id": "b007"}, map[string]any{"id": "b004"}}, "pageInfo": map[string]any{"hasNextPage": true}},
			"best":   map[string]any{"nodes": []any{map[string]any{"id": "b004", "sold": 4000.0}}},
			"more":   map[string]any{"nodes": []any{map[string]any{"id": "b004"}, map[string]any{"id": "b010"}, map[string]any{"id": "b001"}}},
		},
		"other": map[string]any{"author": nil, "latest": map[string]any{"nodes": []any{}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A made-up cursor is refused, or the list goes on where it says: never at its beginning.
func TestMadeUpCursors(t *testing.T) {
	t.Parallel()
	a := fullStore(t, 5).api(queryapi.Options{})
	cursor := func(view, order, value, key string) string {
		// The API writes its fields in this order, and an empty value not at all.
		text := fmt.Sprintf(`{"v":%q,"o":%q,"a":%q,"k":%q}`, view, order, value, key)
		if value == "" {
			text = fmt.Sprintf(`{"v":%q,"o":%q,"k":%q}`, view, order, key)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	ask := func(order, after string) *queryapi.Answer {
		return a.Do(context.Background(), queryapi.Request{Query: fmt.Sprintf(`{ books(first: 1, orderBy: %s, after: %q) { nodes { id } } }`, order, after)})
	}
	for order, values := range map[string][]string{
		"OUT_DESC":   {"-9223372036854775808", "-9223372036854775000", "-210866803200000001", "abc", "", "1e3", "+5", "05", "9223372036854775808"},
		"OUT_ASC":    {"-9223372036854775808", "-210866803200000001"},
		"SOLD_DESC":  {"9223372036854775808", "1.5", "", "0x10", "-0"},
		"PAGES_DESC": {"2147483648", "-2147483649", "1e2"},
	} {
		for _, value := range values {
			code, e := refusalOf(t, ask(order, cursor("book_v2", order, value, "x")))
			if code != refusal.BadCursor || e.Extensions["hint"] == "" {
				t.Errorf("%s behind %q: %s", order, value, code)
			}
		}
	}
	for order, bounds := range map[string][2]string{ // behind the first no row, behind the second all
		"OUT_DESC":   {"-210866803200000000", "9223372036854775807"},
		"OUT_ASC":    {"9223372036854775807", "-210866803200000000"},
		"SOLD_DESC":  {"-9223372036854775808", "9223372036854775807"},
		"PAGES_DESC": {"-2147483648", "2147483647"},
	} {
		for i, value := range bounds {
			if got := idsOf(t, ask(order, cursor("book_v2", order, value, "x"))); len(got) != i {
				t.Errorf("%s behind %s: %v", order, value, got)
			}
		}
	}
	good := cursor("book_v2", "SOLD_DESC", "4000", "b004")
	if got := idsOf(t, ask("SOLD_DESC", good)); len(got) != 1 || got[0] != "b003" {
		t.Errorf("behind b004: %v", got)
	}
	spaced := base64.RawURLEncoding.EncodeToString([]byte(`{"v":"book_v2", "o":"SOLD_DESC","a":"4000","k":"b004"}`))
	for name, token := range map[string]string{"with a space": spaced, "padded": good + "=", "of nothing": "", "in another case": strings.ToUpper(good)} {
		if code, _ := refusalOf(t, ask("SOLD_DESC", token)); code != refusal.BadCursor {
			t.Errorf("%s: %s", name, code)
		}
	}
}
