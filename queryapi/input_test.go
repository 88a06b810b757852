package queryapi_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

// Of two directives the library obeys the last: the plan and the answer would differ in
// which columns there are.
func TestADirectiveStandsOnceInAPlace(t *testing.T) {
	t.Parallel()
	a := fullStore(t, 2).api(queryapi.Options{})
	for _, query := range []string{
		`{ book(id: "b001") { id title @skip(if: true) @skip(if: false) } }`,
		`{ book(id: "b001") { id ... @include(if: false) @include(if: true) { title } } }`,
		`{ book(id: "b001") { id ...f @include(if: false) @include(if: true) } } fragment f on Book { title }`,
	} {
		answer := a.Do(context.Background(), queryapi.Request{Query: query})
		if code, _ := refusalOf(t, answer); code != refusal.Invalid {
			t.Errorf("%s: %s, want %s", query, code, refusal.Invalid)
		}
	}
	got := ask(t, a, `{ book(id: "b001") { id title @skip(if: false) @include(if: true) } }`)["book"].(map[string]any)
	if got["title"] != "Title 0" {
		t.Errorf("each once: %v", got)
	}
}

// Every alias of nodes answers all rows once more.
func TestAliasesOfNodesHaveTheirCost(t *testing.T) {
	t.Parallel()
	a := fullStore(t, 2).api(queryapi.Options{})
	const row = `{ id title sold editions { number notes labels } } `
	ask(t, a, `{ books(first: 200) { nodes `+row+` } }`)
	for _, one := range []string{`a%d: nodes ` + row, `a%d: edges { node ` + row + `} `} {
		var many strings.Builder
		for i := range 40 {
			fmt.Fprintf(&many, one, i)
		}
		answer := a.Do(context.Background(), queryapi.Request{Query: `{ books(first: 200) { ` + many.String() + ` } }`})
		if len(answer.Errors) == 0 || answer.Errors[0].Code() != refusal.TooLarge {
			t.Errorf("%s: 40 times: %v", one, answer.Errors)
		}
	}
}

// A number is what its type says, and nothing near it.
func TestNumbersAreExact(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 2)
	s.exec(`update views.book_v2_g1 set id = '12345678' where id = 'b001'`)
	a := s.api(queryapi.Options{})
	const byID, byPages = `query ($v: ID!) { book(id: $v) { id } }`, `query ($v: Int!) { books(filter: {pages: {eq: $v}}) { nodes { id } } }`
	for _, id := range []any{"12345678", 12345678, 12345678.0} {
		answer := plain(t, a.Do(context.Background(), queryapi.Request{Query: byID, Variables: map[string]any{"v": id}}))
		if book, _ := answer["data"].(map[string]any)["book"].(map[string]any); book["id"] != "12345678" {
			t.Errorf("the id as %T: %v", id, answer)
		}
	}
	for _, c := range []struct {
		query string
		value any
		code  string
	}{
		{byID, 1.5, refusal.BadVariables},
		{byID, math.Pow(2, 53), refusal.BadVariables},
		{byPages, 101.7, refusal.BadVariables},
		{byPages, 3e9, refusal.BadVariables},
		{`{ books(filter: {pages: {eq: 3000000000}}) { nodes { id } } }`, nil, refusal.Invalid},
		{`{ books(filter: {pages: {in: [1, -2147483649]}}) { nodes { id } } }`, nil, refusal.Invalid},
		{`query ($n: Int = 3000000000) { books(filter: {pages: {lt: $n}}) { nodes { id } } }`, nil, refusal.Invalid},
	} {
		answer := a.Do(context.Background(), queryapi.Request{Query: c.query, Variables: map[string]any{"v": c.value}})
		if len(answer.Errors) == 0 || answer.Errors[0].Code() != c.code {
			t.Errorf("%s with %v: %v %v, want %s", c.query, c.value, answer.Data, answer.Errors, c.code)
		}
	}
	ask(t, a, `{ books(filter: {pages: {in: [2147483647, -2147483648]}, sold: {lt: 3000000000}}) { nodes { id } } }`)
}

// The cursor of a row is taken back, however long the row's texts are.
func TestCursorsOfLongTexts(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 3)
	s.exec(`update views.book_v2_g1 set title = repeat('<', 2000)`)
	if got := pages(t, s.api(queryapi.Options{}), ", orderBy: TITLE_ASC", 1); len(got) != 3 {
		t.Errorf("read %v", got)
	}
}

// A wait of more milliseconds than a duration holds is a long one, and not a short one.
func TestAWaitBeyondAllMeasureIsRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ms := 1<<64/1_000_000 + 1
	code, _ := refusalOf(t, s.api(queryapi.Options{}).Do(context.Background(), queryapi.Request{
		Query: `{ books { nodes { id } } }`, Extensions: queryapi.Extensions{Position: s.position(1), WaitMs: &ms}}))
	if code != refusal.TooLarge {
		t.Errorf("%s, want %s", code, refusal.TooLarge)
	}
}
