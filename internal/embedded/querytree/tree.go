package querytree

import (
	"fmt"
	"regexp"
	"strings"
)

// RefusedError says what of a statement is not for readers.
type RefusedError struct{ What string }

func (e *RefusedError) Error() string { return e.What + " is not for readers" }

func refused(format string, arguments ...any) error {
	return &RefusedError{What: fmt.Sprintf(format, arguments...)}
}

// Rules are what a reader may reach.
type Rules struct {
	Functions *Functions
	// Readable reports whether a database may be read. Names without a database are those
	// of the session's own, which the caller has checked.
	Readable func(database string) bool
	// Databases are all that there are.
	Databases map[string]bool
}

// kinds are the nodes that a statement may consist of. Nothing that they are made of is
// missing in the tree.
var kinds = set("SelectWithUnionQuery", "SelectIntersectExceptQuery", "SelectQuery", "Subquery", "ExpressionList",
	"TablesInSelectQuery", "TablesInSelectQueryElement", "TableExpression", "TableJoin", "ArrayJoin", "SampleRatio",
	"Literal", "Identifier", "TableIdentifier", "Function", "WithElement",
	"Asterisk", "QualifiedAsterisk", "ColumnsRegexpMatcher", "QualifiedColumnsRegexpMatcher", "ColumnsListMatcher", "QualifiedColumnsListMatcher",
	"ColumnsTransformerList", "ColumnsExceptTransformer", "ColumnsReplaceTransformer", "ColumnsReplaceTransformer::Replacement",
	"OrderByElement", "InterpolateElement", "WindowListElement", "WindowDefinition",
	"DescribeQuery", "Explain")

// aboutOneTable are statements that name a table, and nothing else.
var aboutOneTable = set("ExistsTableQuery", "ExistsViewQuery", "ShowCreateTableQuery", "ShowCreateViewQuery")

// tableFunctions are those that make their rows themselves.
var tableFunctions = set("numbers", "numbers_mt", "zeros", "zeros_mt", "values", "SQLStandardValues",
	"generateSeries", "generate_series", "view")

// systemTables are those that tell nothing of the server.
var systemTables = set("system.one", "system.numbers", "system.numbers_mt", "system.zeros", "system.zeros_mt")

func set(names ...string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

// Check returns a *RefusedError unless all of a tree is allowed.
func (r *Rules) Check(tree string) error {
	lines := strings.Split(strings.TrimRight(tree, "\n"), "\n")
	if kind, _ := node(lines[0]); aboutOneTable[kind] {
		return r.checkOneTable(kind, lines[1:])
	}
	under := "" // the kind of the line above
	for _, line := range lines {
		kind, rest := node(line)
		if !kinds[kind] {
			return refused("a statement with %s", kindName(kind))
		}
		if err := r.checkNode(kind, rest, under, depth(line)); err != nil {
			return err
		}
		under = kind
	}
	return nil
}

func (r *Rules) checkNode(kind, rest, under string, depth int) error {
	// The deepest place of a statement's own INTO OUTFILE is that behind EXPLAIN; the
	// expressions of a statement begin deeper.
	const ownClausesMax = 2
	switch kind {
	case "Literal":
		if depth <= ownClausesMax {
			return refused("INTO OUTFILE")
		}
	case "Function":
		name := nameOf(rest)
		if under == "TableExpression" && !tableFunctions[name] {
			return refused("the table function %s", name)
		}
		if under != "TableExpression" && !r.Functions.Allow(name) {
			return refused("the function %s", name)
		}
	case "TableIdentifier":
		return r.checkTable(rest)
	case "Identifier":
		return r.checkIdentifier(nameOf(rest))
	}
	return nil
}

// name is a table's name and what may stand behind it.
var tableName = regexp.MustCompile(`^([^.()\s]+\.)?([^.()\s]+)( \(alias [^()]*\))?( \(children [0-9]+\))?$`)

func (r *Rules) checkTable(rest string) error {
	found := tableName.FindStringSubmatch(rest)
	if found == nil {
		return refused("the table %q", rest)
	}
	database := strings.TrimSuffix(found[1], ".")
	if database == "" || r.Readable(database) || systemTables[database+"."+found[2]] {
		return nil
	}
	return refused("the table %s.%s", database, found[2])
}

// checkIdentifier looks for what an identifier may be beside a column: the name of a
// table, as behind IN, or that of a function, as arrayMap takes it.
func (r *Rules) checkIdentifier(name string) error {
	first, _, compound := strings.Cut(name, ".")
	if compound && r.Databases[first] && !r.Readable(first) && !systemTables[name] {
		return refused("the table %s", name)
	}
	if !compound && r.Functions.Deny(name) {
		return refused("the name of the function %s (a column of this name is written as table.%s)", name, name)
	}
	return nil
}

var plainIdentifier = regexp.MustCompile(`^ Identifier ([A-Za-z0-9_]+)$`)

// checkOneTable checks the names that a statement of the kind has: of a table, or of a
// database and its table.
func (r *Rules) checkOneTable(kind string, lines []string) error {
	var names []string
	for _, line := range lines {
		found := plainIdentifier.FindStringSubmatch(line)
		if found == nil {
			return refused("%s of such a name or with such a clause", kindName(kind))
		}
		names = append(names, found[1])
	}
	if len(names) == 1 || len(names) == 2 && r.Readable(names[0]) {
		return nil
	}
	return refused("the table %s", strings.Join(names, "."))
}

// node splits a line into its kind and what follows.
func node(line string) (kind, rest string) {
	kind, rest, _ = strings.Cut(strings.TrimLeft(line, " "), " ")
	return kind, rest
}

func depth(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// nameOf cuts off what the tree writes behind a name.
func nameOf(rest string) string {
	name, _, _ := strings.Cut(rest, " (")
	return name
}

// kindName says in a reader's words what a kind of node is.
func kindName(kind string) string {
	switch kind {
	case "Set":
		return "SETTINGS (give them in the address)"
	case "ColumnsApplyTransformer":
		return "APPLY"
	case "ShowTables", "ShowColumns":
		return "more than SHOW TABLES, SHOW TABLES FROM database or SHOW DATABASES"
	case "":
		return "no tree"
	}
	return kind
}
