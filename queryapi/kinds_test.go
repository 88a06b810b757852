package queryapi_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

// Every kind of column has a type of its own in the schema, and so have its filters.
func TestTheSchemaTellsKinds(t *testing.T) {
	t.Parallel()
	sdl := schema(t).SDL()
	for _, want := range []string{
		"enum Binding {\n  hard\n  paper\n  spiral\n}", "  bound: Binding!\n", "  rebound: Binding\n", "  bound: BindingFilter\n", "  code: UUID!\n", "  cost: Decimal!\n",
		"  award: Decimal\n", "  sequel: Long\n", "  code: UUIDRangeFilter\n", "  award: DecimalRangeFilter\n", "SEQUEL_ASC", "AWARD_DESC", "scalar UUID", "scalar Decimal",
	} {
		if !strings.Contains(sdl, want) {
			t.Errorf("the schema has no %q", want)
		}
	}
	if strings.Contains(sdl, "BindingRangeFilter") {
		t.Error("declared values have ranges")
	}
}

// Arguments of the kinds are taken in the forms that lose nothing, and in no others.
func TestExactArguments(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 12)
	a := s.api(queryapi.Options{})
	nodes := func(query string, variables map[string]any) (int, string) {
		answer := a.Do(t.Context(), queryapi.Request{Query: query, Variables: variables})
		if len(answer.Errors) > 0 {
			return 0, answer.Errors[0].Code()
		}
		return len(plain(t, answer)["data"].(map[string]any)["books"].(map[string]any)["nodes"].([]any)), ""
	}
	code := aBook(3).Code.String()
	for literal, want := range map[string]any{
		`{cost: {eq: "49.99"}}`: 2, `{cost: {eq: 49.99}}`: 2, `{cost: {eq: "49.990000"}}`: 2, `{cost: {eq: "-0"}}`: 2, `{cost: {eq: 0}}`: 2, `{cost: {eq: "49.991"}}`: 0,
		`{cost: {eq: null}}`: 0, `{cost: {in: ["49.99", "99.98"]}}`: 4, `{cost: {in: []}}`: 0, `{cost: {in: null}}`: 0,
		`{cost: {eq: 1e1}}`: refusal.Invalid, `{cost: {eq: "1e1"}}`: refusal.Invalid, `{cost: {eq: "NaN"}}`: refusal.Invalid, `{cost: {eq: ""}}`: refusal.Invalid,
		`{cost: {eq: "1` + strings.Repeat("0", 38) + `"}}`: refusal.Invalid, `{cost: {eq: true}}`: refusal.Invalid,
		`{code: {eq: "` + code + `"}}`: 1, `{code: {eq: "` + strings.ToUpper(code) + `"}}`: 1, `{code: {in: ["` + code + `"]}}`: 1,
		`{code: {eq: "{` + code + `}"}}`: refusal.Invalid, `{code: {eq: "` + strings.ReplaceAll(code, "-", "") + `"}}`: refusal.Invalid, `{code: {eq: 1}}`: refusal.Invalid,
		`{bound: {eq: hard}}`: 6, `{bound: {in: [hard, paper]}}`: 12, `{bound: {eq: "hard"}}`: refusal.Invalid, `{bound: {eq: soft}}`: refusal.Invalid, `{bound: {eq: null}}`: 0,
	} {
		n, refused := nodes(`{ books(filter: `+literal+`) { nodes { id } } }`, nil)
		if got := any(n); got != want && refused != want {
			t.Errorf("%s: %d rows, refused %q; want %v", literal, n, refused, want)
		}
	}
	for _, v := range []struct {
		declared, filter string
		value, want      any
	}{
		{"Decimal", "cost: {eq: $v}", "49.99", 2}, {"Decimal", "cost: {eq: $v}", 0.0, 2}, {"Decimal", "cost: {eq: $v}", 49.99, refusal.BadVariables},
		{"Decimal", "cost: {eq: $v}", 1e300, refusal.BadVariables}, {"Decimal", "cost: {eq: $v}", "1,5", refusal.BadVariables}, {"Decimal", "cost: {eq: $v}", nil, 0},
		{"UUID", "code: {eq: $v}", code, 1}, {"UUID", "code: {eq: $v}", "nobody", refusal.BadVariables}, {"UUID", "code: {eq: $v}", 7.0, refusal.BadVariables},
		{"[UUID!]", "code: {in: $v}", []any{code}, 1}, {"Binding", "bound: {eq: $v}", "hard", 6}, {"Binding", "bound: {eq: $v}", "soft", refusal.BadVariables},
	} {
		n, refused := nodes(fmt.Sprintf(`query($v: %s) { books(filter: {%s}) { nodes { id } } }`, v.declared, v.filter), map[string]any{"v": v.value})
		if got := any(n); got != v.want && refused != v.want {
			t.Errorf("%s = %v: %d rows, refused %q; want %v", v.declared, v.value, n, refused, v.want)
		}
	}
}

// A cursor that this program would not have written is refused.
func TestMadeUpCursorsOfKinds(t *testing.T) {
	t.Parallel()
	a := fullStore(t, 6).api(queryapi.Options{})
	for order, bodies := range map[string][]string{
		"COST_ASC":   {`"a":"49.9","k":"b"`, `"a":"49.990","k":"b"`, `"a":"1e1","k":"b"`, `"k":"b","n":true`, `"a":"NaN","k":"b"`},
		"CODE_ASC":   {`"a":"x","k":"b"`, `"a":"B80C8FEF-A677-5340-85FB-2C162D75DF03","k":"b"`, `"k":"b","n":true`},
		"SEQUEL_ASC": {`"a":"1","k":"b","n":true`, `"k":"b","n":false`, `"k":"b"`},
		"AWARD_DESC": {`"a":"1.25","k":"b"`},
	} {
		for _, body := range bodies {
			token := base64.RawURLEncoding.EncodeToString([]byte(`{"v":"book_v2","o":"` + order + `",` + body + `}`))
			answer := a.Do(t.Context(), queryapi.Request{Query: fmt.Sprintf(`{ books(orderBy: %s, after: %q) { nodes { id } } }`, order, token)})
			if code, _ := refusalOf(t, answer); code != refusal.BadCursor {
				t.Errorf("%s %s: %s", order, body, code)
			}
		}
	}
}

// mood declares a value that is no name of GraphQL, weather one that stands for another
// literal: their columns are texts.
type (
	mood    string
	weather string
	clock   string
)

func (mood) Values() []string    { return []string{"so so", "good"} }
func (weather) Values() []string { return []string{"true", "rain"} }
func (clock) Values() []string   { return []string{"day", "night"} }

func TestWhereDeclaredValuesAreNoNamesTheColumnIsAText(t *testing.T) {
	t.Parallel()
	type diary struct {
		ID      string  `view:"id,key"`
		Mood    mood    `view:"mood,index"`
		Weather weather `view:"weather,order"`
		Clock   clock   `view:"clock,join"`
	}
	type source struct {
		ID    string `view:"id,key"`
		Clock clock  `view:"clock,index"`
	}
	sources := projections.View[source]{Name: "source", Version: 1, Handlers: []projections.Handler[source]{
		projections.Create(func(e printed) string { return e.Book }, func(s *source, _ printed, _ projections.Meta) error { s.Clock = "day"; return nil })}}
	diaries := projections.View[diary]{Name: "diary", Version: 1, Handlers: []projections.Handler[diary]{
		projections.Create(func(e printed) string { return e.Book }, func(d *diary, _ printed, _ projections.Meta) error { d.Mood, d.Weather = "good", "rain"; return nil })},
		Joins: []projections.Join[diary]{projections.Copy[diary](&sources, "mood", "clock")}}
	set, err := projections.NewSet(&sources, &diaries)
	if err != nil {
		t.Fatal(err)
	}
	screen := func(value string) queryapi.Screen {
		return queryapi.Screen{Name: "today", Parts: []queryapi.Part{{Name: "days", View: "source", List: &queryapi.List{Where: []queryapi.Where{{Column: "clock", In: []string{value}}}}}}}
	}
	s, err := queryapi.NewSchema(queryapi.Definition{Set: set, Screens: []queryapi.Screen{screen("day")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  mood: String!\n", "  weather: String!\n", "  mood: StringFilter\n", "  clock: Clock\n", "  clock: Clock!\n"} {
		if !strings.Contains(s.SDL(), want) {
			t.Errorf("the schema has no %q:\n%s", want, s.SDL())
		}
	}
	if _, err = queryapi.NewSchema(queryapi.Definition{Set: set, Screens: []queryapi.Screen{screen("dawn")}}); err == nil || !strings.Contains(err.Error(), "fixed texts that its type declares") {
		t.Errorf("a screen asks for a value that is not declared: %v", err)
	}
}
