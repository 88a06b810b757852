package guard_test

import (
	"testing"
	"time"

	"github.com/graphql-go/graphql/language/lexer"
	"github.com/graphql-go/graphql/language/source"

	"github.com/readside/readside/queryapi/guard"
)

// FuzzText checks that the scanner never counts fewer tokens than the library's
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

// lexed counts the library's tokens, up to its first error.
func lexed(text string) int {
	next := lexer.Lex(source.NewSource(&source.Source{Body: []byte(text)}))
	for n := 0; n < 10_000; n++ {
		token, err := next(0)
		if err != nil || token.Kind == lexer.EOF {
			return n
		}
	}
	return 10_000
}
