package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/parser"
	"github.com/graphql-go/graphql/language/source"
	"pgregory.net/rapid"

	"github.com/readside/readside/queryapi/guard"
)

// libraryRules are those of graphql-go that Document replaces. PossibleFragmentSpreads
// and OverlappingFields are not: the library refuses `... { id }` where a type is
// non-null, and takes minutes.
var libraryRules = []graphql.ValidationRuleFn{
	graphql.ArgumentsOfCorrectTypeRule, graphql.DefaultValuesOfCorrectTypeRule, graphql.FieldsOnCorrectTypeRule,
	graphql.FragmentsOnCompositeTypesRule, graphql.KnownArgumentNamesRule, graphql.KnownDirectivesRule,
	graphql.KnownFragmentNamesRule, graphql.KnownTypeNamesRule, graphql.LoneAnonymousOperationRule,
	graphql.NoFragmentCyclesRule, graphql.NoUndefinedVariablesRule, graphql.NoUnusedFragmentsRule,
	graphql.NoUnusedVariablesRule, graphql.ProvidedNonNullArgumentsRule, graphql.ScalarLeafsRule,
	graphql.UniqueArgumentNamesRule, graphql.UniqueFragmentNamesRule, graphql.UniqueInputFieldNamesRule,
	graphql.UniqueOperationNamesRule, graphql.UniqueVariableNamesRule, graphql.VariablesAreInputTypesRule,
	graphql.VariablesInAllowedPositionRule,
}

// Small documents with at most a few faults: what the guard lets through the library
// lets through, and what it refuses the library refuses.
func TestTheGuardRefusesWhatTheLibraryRefuses(t *testing.T) {
	t.Parallel()
	schema := tree(t)
	var passed, refused int
	rapid.Check(t, func(rt *rapid.T) {
		query := document(rt)
		doc, err := parser.Parse(parser.ParseParams{Source: source.NewSource(&source.Source{Body: []byte(query)})})
		if err != nil {
			rt.Fatalf("%s: %v", query, err)
		}
		want := graphql.ValidateDocument(schema, doc, libraryRules)
		limits := guard.DefaultLimits()
		got, fault := limits.Parse(query)
		if fault == nil {
			fault = limits.Document(schema, got)
		}
		switch {
		case fault == nil && !want.IsValid:
			rt.Fatalf("%s\nthe guard lets it through, the library says %v", query, want.Errors)
		case fault != nil && want.IsValid && !strings.Contains(fault.Message, "32 bits"):
			rt.Fatalf("%s\nthe library lets it through, the guard says %v", query, fault)
		case fault == nil:
			passed++
		default:
			refused++
		}
	})
	if passed < 10 || refused < 10 {
		t.Errorf("%d documents passed and %d were refused: there is little to compare", passed, refused)
	}
}

// document draws a query whose parts each fit most of the time.
func document(rt *rapid.T) string {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, label) }
	often := func(label, good string, bad ...string) string {
		if rapid.IntRange(0, 11).Draw(rt, label) < 11 {
			return good
		}
		return pick(label, bad...)
	}
	value := func(label string) string {
		return pick(label, `1`, `"x"`, `"ü"`, `true`, `RED`, `GREEN`, `1.5`, `3000000000`, `[1]`, `[]`, `[[1]]`, `{}`, `{name: "x"}`, `{ids: [1, "a"]}`, `{all: 1}`,
			`{color: RED}`, `{color: PINK}`, `{color: "RED"}`, `{name: "x", name: "y"}`, `{other: 1}`, `$a`, `$b`, `[$a]`, `{name: $a}`, `{ids: [$a, 1]}`, `{all: [$a]}`, `{all: $b}`)
	}
	variables := []string{"$a: " + often("type of a", "ID", "ID!", "String", "[ID!]", "Where", "Int", "Node", "Other") + often("default", "", " = 1", ` = "x"`, ` = {name: "x"}`, " = [1]")}
	if rapid.IntRange(0, 3).Draw(rt, "b") == 3 {
		variables = append(variables, often("b is b", "$b", "$a")+": "+pick("type of b", "ID", "[ID!]", "[ID]", "[ID!]!", "Where", "Boolean!"))
	}
	directive := often("directive", "", "@skip(if: true)", "@include(if: $b)", "@skip", "@other", "@skip(when: true)", "@include(if: 1)", "@deprecated")
	args := []string{}
	for _, name := range rapid.Permutation([]string{"id", "first", "where"}).Draw(rt, "arguments")[:rapid.IntRange(1, 3).Draw(rt, "n")] {
		good := map[string]string{"id": `$a`, "first": `7`, "where": `{ids: [$a, 1], color: RED}`}[name]
		if rapid.IntRange(0, 3).Draw(rt, "any value") == 3 {
			good = value("value")
		}
		args = append(args, often("argument", name, "other", "id", "where")+": "+good)
	}
	field := often("field", "node", "nodes", "other", "id")
	body := often("body", "{ id name }", "", "{ id { id } }", "{ child }", "{ other }", "{ child(id: $a) { id } }")
	return fmt.Sprintf("query q(%s) %s { %s(%s) %s %s %s last: node(id: $a) { id ...f } } fragment f on %s %s { id } %s",
		strings.Join(variables, ", "), often("placed", "", "@skip(if: true)"), field, strings.Join(args, ", "), directive, body,
		often("second", "again: node(id: $a) { id }", ""), often("condition", "Node", "Other", "Where"), often("placed too", "", "@skip(if: true)"),
		often("second operation", "", "query q { node { id } }", "{ node { id } }", "fragment g on Node { id }", "query r { node { ...f } }"))
}
