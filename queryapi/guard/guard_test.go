package guard_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/graphql-go/graphql"

	"github.com/readside/readside/queryapi/guard"
	"github.com/readside/readside/queryapi/refusal"
)

// tree is a schema whose type contains itself, the worst case for depth.
func tree(t testing.TB) *graphql.Schema {
	t.Helper()
	var node *graphql.Object
	where := graphql.NewInputObject(graphql.InputObjectConfig{Name: "Where", Fields: graphql.InputObjectConfigFieldMap{
		"ids": {Type: graphql.NewList(graphql.ID)}, "all": {Type: graphql.NewList(graphql.NewNonNull(graphql.ID))}, "name": {Type: graphql.String},
		"color": {Type: graphql.NewEnum(graphql.EnumConfig{Name: "Color", Values: graphql.EnumValueConfigMap{"RED": {Value: "RED"}, "BLUE": {Value: "BLUE"}}})}}})
	args := graphql.FieldConfigArgument{"id": {Type: graphql.ID}, "first": {Type: graphql.Int}, "where": {Type: where}}
	node = graphql.NewObject(graphql.ObjectConfig{Name: "Node", Fields: graphql.FieldsThunk(func() graphql.Fields {
		return graphql.Fields{
			"id": {Type: graphql.ID}, "name": {Type: graphql.String},
			"child": {Type: node, Args: args}, "children": {Type: graphql.NewList(node), Args: args}}
	})})
	schema, err := graphql.NewSchema(graphql.SchemaConfig{Query: graphql.NewObject(graphql.ObjectConfig{
		Name: "Query", Fields: graphql.Fields{"node": {Type: node, Args: args}, "nodes": {Type: graphql.NewList(node), Args: args}}})})
	if err != nil {
		t.Fatal(err)
	}
	return &schema
}

// check runs a query through all steps, as the API does.
func check(schema *graphql.Schema, query string) []*refusal.Refusal {
	limits := guard.DefaultLimits()
	doc, fault := limits.Parse(query)
	if fault == nil {
		fault = limits.Document(schema, doc)
	}
	if fault != nil {
		return []*refusal.Refusal{fault}
	}
	return nil
}

func nested(open, inner, end string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
}

// attacks are queries that would hurt, each with the code and limit that stops it.
func attacks() map[string][3]string {
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	return map[string][3]string{
		"a fragment that contains itself":   {`{ node { ...a } } fragment a on Node { child { ...a } }`, refusal.Invalid, ""},
		"a cycle of three":                  {`{ node { ...a } } fragment a on Node { ...b } fragment b on Node { child { ...c } } fragment c on Node { ...a }`, refusal.Invalid, ""},
		"a cycle that no operation reaches": {`{ node { id } } fragment a on Node { ...a }`, refusal.Invalid, ""},
		"a literal 1,000 deep":              {`{ node(where: {ids: ` + nested("[", "1", "]", 1000) + `}) { id } }`, refusal.TooLarge, "literal_depth"},
		"an object literal 1,000 deep":      {`{ node(where: ` + nested("{name: ", "1", "}", 1000) + `) { id } }`, refusal.TooLarge, "literal_depth"},
		"a literal 12 deep":                 {`{ node(where: {ids: ` + nested("[", "1", "]", 12) + `}) { id } }`, refusal.TooLarge, "literal_depth"},
		"a literal 60,000 deep":             {strings.Repeat("[", 60_000), refusal.TooLarge, "nesting"},
		"a default value 1,000 deep":        {`query ($a: Where = ` + nested("[", "1", "]", 1000) + `) { node(where: $a) { id } }`, refusal.TooLarge, "literal_depth"},
		"a type 1,000 deep":                 {`query ($a: ` + nested("[", "ID", "]", 1000) + `) { node(id: $a) { id } }`, refusal.TooLarge, "literal_depth"},
		"selections 1,000 deep":             {nested("{ node ", "{ id }", "}", 1000), refusal.TooLarge, "nesting"},
		"selections 18 deep":                {"{ node " + nested("{ child ", "{ id }", "}", 17) + "}", refusal.TooLarge, "depth"},
		"4,000 unknown fields":              {"{" + many(4000, func(i int) string { return fmt.Sprintf("f%d ", i) }) + "}", refusal.TooLarge, "tokens"},
		"1,900 unknown fields":              {"{" + many(1900, func(i int) string { return fmt.Sprintf("nodf%d ", i) }) + "}", refusal.Invalid, ""},
		"600 unknown arguments":             {"{ node(" + many(600, func(i int) string { return fmt.Sprintf("idd%d: 1 ", i) }) + ") { id } }", refusal.Invalid, ""},
		"200 unknown types":                 {"{ node {" + many(200, func(i int) string { return fmt.Sprintf("... on Nod%d { id } ", i) }) + "} }", refusal.Invalid, ""},
		"600 unknown directives":            {"{ node { id " + many(600, func(i int) string { return fmt.Sprintf("@skp%d ", i) }) + "} }", refusal.Invalid, ""},
		"200 values of a wrong type":        {"{ node {" + many(200, func(i int) string { return "child(first: \"x\") { id }\n\n\n" }) + "} }", refusal.Invalid, ""},
		"180 undefined variables":           {"query q { node {" + many(180, func(i int) string { return fmt.Sprintf("child(id: $v%d) { id } ", i) }) + "} }", refusal.Invalid, ""},
		"400 unused variables":              {"query q(" + many(400, func(i int) string { return fmt.Sprintf("$v%d: ID ", i) }) + ") { node { id } }", refusal.TooLarge, "variables"},
		"10,000 aliases":                    {"{ node {" + many(10_000, func(i int) string { return fmt.Sprintf("a%d:id ", i) }) + "} }", refusal.TooLarge, "bytes"},
		"600 aliases":                       {"{ node {" + many(600, func(i int) string { return fmt.Sprintf("a%d:id ", i) }) + "} }", refusal.TooLarge, "aliases"},
		"60 aliased roots":                  {"{" + many(30, func(i int) string { return fmt.Sprintf("a%d:node { id } ", i) }) + "}", refusal.TooLarge, "roots"},
		"1,900 fields of one name":          {"{ node {" + strings.Repeat("id ", 1900) + "} }", refusal.TooLarge, "expanded_nodes"},
		"fragments that double 20 times": {"{ node { ...f0 } }" + many(20, func(i int) string {
			return fmt.Sprintf("fragment f%d on Node { child { ...f%d } children { ...f%d } } ", i, i+1, i+1)
		}) + "fragment f20 on Node { id }", refusal.TooLarge, "depth"},
		"fragments that double at one level": {"{ node { ...f0 } }" + many(20, func(i int) string {
			return fmt.Sprintf("fragment f%d on Node { ...f%d ...f%d } ", i, i+1, i+1)
		}) + "fragment f20 on Node { id }", refusal.TooLarge, "expanded_nodes"},
		"100 spreads":                  {"{ node {" + strings.Repeat("...{ id } ", 100) + "} }", refusal.TooLarge, "spreads"},
		"two fields of one key":        {`{ node { id id: name } }`, refusal.Invalid, ""},
		"two arguments of one key":     {`{ node { child(id: 1) { id } child(id: 2) { id } } }`, refusal.Invalid, ""},
		"conflict below merged fields": {`{ node { child { a: id } child { a: name } } }`, refusal.Invalid, ""},
		"names of 60 KB":               {"{ " + strings.Repeat("x", 60_000) + " }", refusal.Invalid, ""},
		"a comment that hides names":   {"{ #" + strings.Repeat("é", 300) + "\n" + strings.Repeat("\ufeff", 50) + "nonde { id } }", refusal.Invalid, ""},
		"lines without end":            {"{ node(first: \"a\")" + strings.Repeat("\n", 60_000) + "{ id } }", refusal.TooLarge, "lines"},
		"a comment of many lines":      {"{ node(first: \"a\")" + strings.Repeat("#\r", 30_000) + "{ id } }", refusal.TooLarge, "lines"},
		"a huge body":                  {strings.Repeat(" ", 65<<10) + "{ node { id } }", refusal.TooLarge, "bytes"},
		"introspection of all by all":  {`{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }`, refusal.TooLarge, "introspection_lists"},
		"a type definition":            {`type A { a: Int }`, refusal.Syntax, ""},
		"variables of a fragment":      {`{ node { ...a } } fragment a($b: ID) on Node { id }`, refusal.Invalid, ""},
		"a directive of a variable":    {`query ($b: ID @skip(if: true)) { node(id: $b) { id } }`, refusal.Invalid, ""},
		"a null of no place":           {`{ null(null: null) }`, refusal.Invalid, ""},
		"aliases of introspection":     {"{ __schema { types { " + many(20, func(i int) string { return fmt.Sprintf("a%d: fields { name } ", i) }) + "} } }", refusal.TooLarge, "introspection_fields"},
		"a mutation":                   {`mutation { node { id } }`, refusal.Invalid, ""},
		"only fragments":               {`fragment a on Node { id }`, refusal.Invalid, ""},
		"nothing":                      {` `, refusal.Invalid, ""},
		"an object without selection":  {`{ node }`, refusal.Invalid, ""},
		"a selection on a scalar":      {`{ node { id { id } } }`, refusal.Invalid, ""},
		"an unused fragment":           {`{ node { id } } fragment a on Node { id }`, refusal.Invalid, ""},
		"an unused variable":           {`query ($a: ID) { node { id } }`, refusal.Invalid, ""},
		"a fragment of another type":   {`{ node { ...a } } fragment a on Query { __typename }`, refusal.Invalid, ""},
		"an inline one":                {`{ node { ... on Query { __typename } } }`, refusal.Invalid, ""},
		"an undefined fragment":        {`{ node { ...a } }`, refusal.Invalid, ""},
		"an unterminated string":       {`{ node(id: "` + strings.Repeat("x", 1000), refusal.Syntax, ""},
		"an unterminated block string": {`{ node(id: """` + strings.Repeat("x\n", 1000), refusal.Syntax, ""},
		"brackets that do not match":   {"{" + strings.Repeat("]", 1900), refusal.Syntax, ""},
		"closing and opening in turn":  {"{" + strings.Repeat("}{", 900), refusal.Syntax, ""},
	}
}

// refusalMax is what an error may take. The library alone takes seconds, minutes or
// dies; the bound that counts is asserted on a quiet machine, by make proof.
var refusalMax = flag.Duration("refusal-max", 2*time.Second, "what the refusal of an attack may take; make proof gives 50ms")

func TestAttacksAreRefusedAtOnce(t *testing.T) {
	schema := tree(t)
	var slowest time.Duration
	for name, attack := range attacks() {
		faults, took := fastest(func() []*refusal.Refusal { return check(schema, attack[0]) })
		slowest = max(slowest, took)
		switch {
		case len(faults) == 0:
			t.Errorf("%s was let through", name)
		case faults[0].Code != attack[1] || faults[0].Limit != attack[2]:
			t.Errorf("%s: refused by %s %q (%s), want %s %q", name, faults[0].Code, faults[0].Limit, faults[0].Message, attack[1], attack[2])
		case faults[0].Hint == "" || len(faults[0].Message) > 500:
			t.Errorf("%s: no hint, or a message of %d bytes", name, len(faults[0].Message))
		case took > *refusalMax:
			t.Errorf("%s: refused after %v, want at most %v", name, took, *refusalMax)
		}
	}
	t.Logf("%d attacks, the slowest refused after %v", len(attacks()), slowest)
}

// fastest of three: other processes share the machine.
func fastest(f func() []*refusal.Refusal) (out []*refusal.Refusal, took time.Duration) {
	took = time.Hour
	for range 3 {
		began := time.Now()
		out = f()
		took = min(took, time.Since(began))
	}
	return out, took
}

func TestOrdinaryQueriesPass(t *testing.T) {
	schema := tree(t)
	introspection, err := os.ReadFile("testdata/introspection.graphql")
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		string(introspection),
		`{ __typename }`,
		`{ __type(name: "Node") { name fields { name args { name type { kind name ofType { name } } } } } }`,
		`query q($id: ID!, $w: Where) { node(id: $id, where: $w) { ...a child { ...a } } } fragment a on Node { id name }`,
		"\ufeff# ünï\n{ #é\n  node(id: \"Zoë\", where: {name: \"\"\"ä \\\"\"\" b\"\"\"}) { id # ü\n name } }",
		`query a { node { id } } query b { nodes { id } }`,
		`{ node { id id child { id } child { name } } }`,
		`{ node(id: null, first: null, where: {ids: [null, 1], all: null, name: null, color: null}) { null: id } }`,
		`query null($null: ID = null, $w: Where = {name: null, color: RED}) { node(id: $null, where: $w) { id } }`,
		`query ($yes: Boolean = true) { node { id @include(if: $yes) @skip(if: false) } }`,
		`query ($a: ID!, $b: [ID!]) { node(where: {ids: [$a], all: $b}) { id } nodes(where: {all: 7, ids: "x"}) { id } }`,
		"{ node " + nested("{ child ", "{ id }", "}", 13) + "}",
	} {
		if faults := check(schema, query); len(faults) > 0 {
			t.Errorf("%.200s\nwas refused: %v", query, faults[0])
		}
	}
}
