package guard

import (
	"errors"
	"fmt"
	"strings"

	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/graphql-go/graphql/language/kinds"
	"github.com/graphql-go/graphql/language/parser"
	"github.com/graphql-go/graphql/language/source"

	"github.com/readside/readside/queryapi/refusal"
)

// Parse scans a query's text and parses it. The literal null, which graphql-go 0.8.1
// takes for a fault of syntax, is in the document what IsNull recognises.
func (l Limits) Parse(query string) (*ast.Document, *refusal.Refusal) {
	text, fault := l.Text(query)
	if fault != nil {
		return nil, fault
	}
	text, stand := standIns(text)
	doc, err := parser.Parse(parser.ParseParams{Source: source.NewSource(&source.Source{Body: []byte(text), Name: "query"})})
	if err != nil {
		return nil, syntax(err, stand)
	}
	if stand != "" {
		renameNulls(doc, stand)
	}
	return doc, nil
}

// nullName is the enum value that stands for null in a parsed document. No query can
// name it: names have no spaces.
const nullName = "null literal"

// IsNull reports whether a value of a document that Parse made is the literal null.
func IsNull(v ast.Value) bool {
	e, ok := v.(*ast.EnumValue)
	return ok && e.GetKind() == kinds.EnumValue && e.Value == nullName
}

const nullWord = "null"

// standIns returns the text with a name of the same length in place of every null that
// is a value, and that name, which occurs nowhere else in the text. Without such a null
// it returns the text as it is.
func standIns(text string) (string, string) {
	places := nullValues(text)
	if len(places) == 0 {
		return text, ""
	}
	stand := unusedName(text)
	out := []byte(text)
	for _, at := range places {
		copy(out[at:], stand)
	}
	return string(out), stand
}

// nullValues are the offsets of the words null that stand where a value does: within
// parentheses, neither a name before a colon nor the name of a variable or its type.
func nullValues(text string) []int {
	if !strings.Contains(text, nullWord) {
		return nil
	}
	var (
		found  []int
		last   [3]byte // the kinds of the tokens before, the last one at the end
		parens int
		s      = scanner{text: text}
	)
	for {
		token := s.next()
		switch {
		case token == 0:
			return found
		case token == '(':
			parens++
		case token == ')':
			parens = max(0, parens-1)
		case token == wordToken && parens > 0 && text[s.start:s.at] == nullWord:
			isType := last == [3]byte{'$', wordToken, ':'}
			if last[2] != '$' && !isType && !s.before(':') {
				found = append(found, s.start)
			}
		}
		last = [3]byte{last[1], last[2], token}
	}
}

// before reports whether the next token is c, without taking it.
func (s *scanner) before(c byte) bool {
	ahead := scanner{text: s.text, at: s.at}
	return ahead.next() == c
}

// unusedName is a name of four letters that the text does not contain. There are more
// of them than a text of 64 KB has places.
func unusedName(text string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	used := map[string]bool{}
	for i := 0; i+len(nullWord) <= len(text); i++ {
		if text[i] == '_' {
			used[text[i:i+len(nullWord)]] = true
		}
	}
	for i := range len(letters) * len(letters) * len(letters) {
		name := string([]byte{'_', letters[i%52], letters[i/52%52], letters[i/52/52]})
		if !used[name] {
			return name
		}
	}
	return "_nul" // not reached: a text has fewer places than there are names
}

// renameNulls gives the values that stand for null the name that no query has.
func renameNulls(doc *ast.Document, stand string) {
	n := nulls{stand}
	for _, definition := range doc.Definitions {
		switch definition := definition.(type) {
		case *ast.OperationDefinition:
			for _, v := range definition.VariableDefinitions {
				n.value(v.DefaultValue)
			}
			n.directives(definition.Directives)
			n.selections(definition.SelectionSet)
		case *ast.FragmentDefinition:
			n.directives(definition.Directives)
			n.selections(definition.SelectionSet)
		}
	}
}

type nulls struct{ stand string }

func (n nulls) selections(set *ast.SelectionSet) {
	if set == nil {
		return
	}
	for _, s := range set.Selections {
		switch s := s.(type) {
		case *ast.Field:
			n.arguments(s.Arguments)
			n.directives(s.Directives)
		case *ast.InlineFragment:
			n.directives(s.Directives)
		case *ast.FragmentSpread:
			n.directives(s.Directives)
		}
		n.selections(s.GetSelectionSet())
	}
}

func (n nulls) directives(directives []*ast.Directive) {
	for _, d := range directives {
		n.arguments(d.Arguments)
	}
}

func (n nulls) arguments(args []*ast.Argument) {
	for _, arg := range args {
		n.value(arg.Value)
	}
}

func (n nulls) value(v ast.Value) {
	switch v := v.(type) {
	case *ast.EnumValue:
		if v.Value == n.stand {
			v.Value = nullName
		}
	case *ast.ListValue:
		for _, item := range v.Values {
			n.value(item)
		}
	case *ast.ObjectValue:
		for _, field := range v.Fields {
			n.value(field.Value)
		}
	}
}

// syntax is what the parser found; stand is written as the null that it stands for.
func syntax(err error, stand string) *refusal.Refusal {
	shown := func(message string) string {
		message, _, _ = strings.Cut(message, "\n")
		if stand != "" {
			message = strings.ReplaceAll(message, stand, nullWord)
		}
		return message
	}
	var e *gqlerrors.Error
	if !errors.As(err, &e) {
		return refusal.New(refusal.Syntax, "correct the query", "the query is not GraphQL: %s", shown(fmt.Sprint(err)))
	}
	r := refusal.New(refusal.Syntax, "correct the query at that place", "%s", shown(e.Message))
	for _, loc := range e.Locations {
		r.Locations = append(r.Locations, refusal.Location{Line: loc.Line, Column: loc.Column})
	}
	return r
}
