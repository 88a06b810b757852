package querytree_test

import (
	"strings"
	"testing"

	"github.com/readside/readside/internal/embedded/querytree"
)

func rules() *querytree.Rules {
	return &querytree.Rules{
		Functions: querytree.NewFunctions([]querytree.Function{
			{Name: "plus", Category: "Arithmetic"}, {Name: "substring", Category: "String"}, {Name: "substr", AliasTo: "substring"},
			{Name: "count", Category: "Aggregate Functions", Aggregate: true}, {Name: "file", Category: "Other"},
			{Name: "dictGet", Category: "Dictionary"}, {Name: "version", Category: "Other"}, {Name: "newcomer", Category: "Some Category Of Tomorrow"},
		}, []string{"If", "Array", "State"}),
		Readable:  func(database string) bool { return database == "mart" },
		Databases: map[string]bool{"mart": true, "system": true, "readside": true},
	}
}

// statement is the tree of a SELECT with these lines as its expressions.
func statement(lines ...string) string {
	tree := "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery (children 1)\n   ExpressionList (children 1)\n"
	for _, line := range lines {
		tree += "    " + line + "\n"
	}
	return tree
}

func TestWhatATreeMayHold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tree string
		may  bool
	}{
		"a literal":                      {statement("Literal 'file(x) INTO OUTFILE'"), true},
		"an allowed function":            {statement("Function plus (children 1)"), true},
		"an alias of one":                {statement("Function substr (alias x) (children 1)"), true},
		"an aggregate with combinators":  {statement("Function countArrayIfState (children 1)"), true},
		"a function in other letters":    {statement("Function PLUS (children 1)"), true},
		"a refused function":             {statement("Function file (children 1)"), false},
		"a refused one in other letters": {statement("Function FILE (children 1)"), false},
		"a function that nobody knows":   {statement("Function outsider (children 1)"), false},
		"one of a new category":          {statement("Function newcomer (children 1)"), false},
		"a combinator alone":             {statement("Function If (children 1)"), false},
		"a combinator on no aggregate":   {statement("Function fileIf (children 1)"), false},
		"a function by its name":         {statement("Function plus (children 1)", "Identifier file"), false},
		"a function by an alias":         {statement("Identifier file (alias f)"), false},
		"a column of a table":            {statement("Identifier t.file"), true},
		"a table function":               {statement("TableExpression (children 1)", " Function numbers (children 1)"), true},
		"a refused table function":       {statement("TableExpression (children 1)", " Function url (children 1)"), false},
		"a scalar function as a table":   {statement("TableExpression (children 1)", " Function plus (children 1)"), false},
		"a table function as a scalar":   {statement("Function numbers (children 1)"), false},
		"a readable table":               {statement("TableIdentifier mart.payments (alias p)"), true},
		"a table without its database":   {statement("TableIdentifier payments"), true},
		"a hidden table":                 {statement("TableIdentifier readside.payments"), false},
		"a table of too many parts":      {statement("TableIdentifier mart.payments.x"), false},
		"a table that seems another":     {statement("TableIdentifier mart.x (y.z"), false},
		"a table of no name":             {statement("TableIdentifier "), false},
		"a harmless system table":        {statement("TableIdentifier system.one"), true},
		"a system table":                 {statement("TableIdentifier system.tables"), false},
		"a hidden table behind IN":       {statement("Identifier readside.payments"), false},
		"SETTINGS":                       {statement("Set"), false},
		"APPLY":                          {statement("ColumnsApplyTransformer"), false},
		"an unknown kind":                {statement("QuantumJoin (children 1)"), false},
		"INTO OUTFILE":                   {statement("Literal UInt64_1") + " Literal '/x'\n", false},
		"INTO OUTFILE of EXPLAIN":        {"Explain EXPLAIN (children 2)\n SelectWithUnionQuery (children 1)\n  Literal '/x'\n", false},
		"FORMAT":                         {statement("Literal UInt64_1") + " Identifier CSV\n", true},
		"a change":                       {"InsertQuery   (children 1)\n Identifier x\n", false},
		"nothing":                        {"", false},
		"a name with a line in it":       {statement("Identifier a", "Function file (children 1)"), false},
		"one table":                      {"ExistsTableQuery mart payments (children 2)\n Identifier mart\n Identifier payments\n", true},
		"one hidden table":               {"ExistsTableQuery system one (children 2)\n Identifier system\n Identifier tables\n", false},
		"one table of an odd name":       {"ShowCreateTableQuery a (children 2)\n Identifier a b\n Identifier c\n", false},
		"one table with a clause":        {"ShowCreateTableQuery mart a (children 3)\n Identifier mart\n Identifier a\n Literal '/x'\n", false},
	} {
		if err := rules().Check(c.tree); (err == nil) != c.may {
			t.Errorf("%s: %v\n%s", name, err, strings.TrimSpace(c.tree))
		}
	}
}
