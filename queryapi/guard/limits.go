// Package guard refuses GraphQL documents that would cost more than they should,
// before the library's validator sees them: graphql-go 0.8.1 overflows its stack on
// a cyclic fragment, which no recover can catch, and takes seconds to minutes on
// deeply nested literals, fragments that double at every level and masses of
// unknown names.
//
// Text scans the bytes, in one pass and without recursion; what it lets through is
// safe to parse. Parse parses it. Document walks what was parsed: names, literals,
// cycles, conflicts, variables and sizes after fragments are expanded. The library's
// rules do not run at all: they report all faults where one is enough, and print
// whole literals into each. That Document refuses what they refuse is tested. Each step
// ends at the first fault.
package guard

// Limits bound a document. The zero value refuses everything: begin with DefaultLimits.
type Limits struct {
	// BytesMax bounds the text of a query.
	BytesMax int
	// LinesMax bounds its lines: the library counts them anew for every error.
	LinesMax int
	// TokensMax bounds its tokens, comments and commas not counted.
	TokensMax int
	// NestingMax bounds open brackets of all kinds, and so the parser's recursion.
	NestingMax int
	// LiteralDepthMax bounds lists and objects within one argument.
	LiteralDepthMax int
	// OperationsMax and VariablesMax bound a document's definitions.
	OperationsMax int
	VariablesMax  int
	// SpreadsMax bounds fragments and places that spread them, each.
	SpreadsMax int
	// AliasesMax bounds fields that are given another name.
	AliasesMax int
	// RootsMax bounds the fields at the top of an operation.
	RootsMax int
	// DepthMax bounds how deep the answer is nested, below the root.
	DepthMax int
	// NodesMax bounds an operation's fields once its fragments are expanded.
	NodesMax int
	// IntrospectionListsMax bounds lists within lists of __schema and __type, of which
	// each multiplies the answer by the size of the schema.
	IntrospectionListsMax int
	// IntrospectionFieldsMax bounds the lists of introspection that an operation selects,
	// wherever they stand: each alias of one answers all of it again.
	IntrospectionFieldsMax int
}

// DefaultLimits are those of the design; GraphiQL's own introspection fits in.
func DefaultLimits() Limits {
	return Limits{
		BytesMax: 64 << 10, LinesMax: 2000, TokensMax: 2000, NestingMax: 20, LiteralDepthMax: 8,
		OperationsMax: 10, VariablesMax: 50, SpreadsMax: 50, AliasesMax: 50,
		RootsMax: 10, DepthMax: 15, NodesMax: 1000, IntrospectionListsMax: 1, IntrospectionFieldsMax: 12,
	}
}
