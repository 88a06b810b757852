package guard

import (
	"errors"

	gql "github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/refusal"
)

// Parse scans a query's text, parses it, and returns it as graphql-go's executor takes
// it. The parser is gqlparser: graphql-go's own does not know the literal null, and
// takes 8 s and 5 GB to report a fault behind 60 KB of one line.
func (l Limits) Parse(query string) (*ast.Document, *refusal.Refusal) {
	text, fault := l.Text(query)
	if fault != nil {
		return nil, fault
	}
	parsed, err := parser.ParseQuery(&gql.Source{Input: text})
	if err != nil {
		return nil, syntax(text, err)
	}
	return converted(parsed)
}

// syntax is the fault of a text that does not parse. The parser says of a token that
// cannot be read only that it is invalid, the lexer why.
func syntax(text string, err error) *refusal.Refusal {
	if why := lexical(text); why != nil {
		err = why
	}
	var e *gqlerror.Error
	if !errors.As(err, &e) {
		return refusal.New(refusal.Syntax, "correct the query", "the query is not GraphQL: %v", err)
	}
	r := refusal.New(refusal.Syntax, "correct the query at that place", "the query is not GraphQL: %s", e.Message)
	for _, loc := range e.Locations {
		r.Locations = append(r.Locations, refusal.Location{Line: loc.Line, Column: loc.Column})
	}
	return r
}

// lexical is the first fault of a token, or nil.
func lexical(text string) error {
	l := lexer.New(&gql.Source{Input: text})
	for {
		token, err := l.ReadToken()
		switch {
		case token.Kind == lexer.Invalid:
			return err
		case token.Kind == lexer.EOF:
			return nil
		}
	}
}

// nullName is the enum value that stands for null in a document of graphql-go. No query
// can name it: names have no spaces.
const nullName = "null literal"

// IsNull reports whether a value of a document that Parse made is the literal null.
func IsNull(v ast.Value) bool {
	e, ok := v.(*ast.EnumValue)
	return ok && e.Value == nullName
}
