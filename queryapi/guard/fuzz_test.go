package guard_test

import (
	"testing"
	"time"

	gql "github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"

	"github.com/readside/readside/queryapi/guard"
)

// FuzzText checks that the scanner never counts fewer tokens than the parser's
// lexer reads, and that what it lets through is parsed soon and checked without a
// panic.
func FuzzText(f *testing.F) {
	for _, attack := range attacks() {
		if len(attack[0]) < 4096 {
			f.Add(attack[0])
		}
	}
	f.Add("{ \ufeff\ufeff\ufeff\ufeff a }")
	f.Add("{ #é\n abc d }")
	f.Add(`{ node(id: """ " "" """" a a a } }`)
	f.Add(`{ node(first: 1a1a 0b 00 -1.5e+3) }`)
	f.Add(`{ node(id: "\u00e9\"", where: {name: """ \""" """}) { id } }`)
	schema := tree(f)
	f.Fuzz(func(t *testing.T, query string) {
		limits := guard.DefaultLimits()
		limits.TokensMax = 200
		text, fault := limits.Text(query)
		if fault != nil {
			return
		}
		if len(text) != len(query) {
			t.Fatalf("the text changed its length from %d to %d", len(query), len(text))
		}
		if n := lexed(text); n > limits.TokensMax {
			t.Fatalf("the lexer reads %d tokens, the scanner let through %d", n, limits.TokensMax)
		}
		began := time.Now()
		if doc, fault := limits.Parse(query); fault == nil {
			limits.Document(schema, doc)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}

// lexed counts the parser's tokens, up to its first error.
func lexed(text string) int {
	l := lexer.New(&gql.Source{Input: text})
	for n := 0; n < 10_000; n++ {
		token, err := l.ReadToken()
		if err != nil || token.Kind == lexer.EOF || token.Kind == lexer.Invalid {
			return n
		}
	}
	return 10_000
}
