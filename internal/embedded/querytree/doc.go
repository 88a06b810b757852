// Package querytree decides what a reader may run, on ClickHouse's own syntax tree.
//
// The tree is what EXPLAIN AST prints: one line per node, indented by its depth. So
// comments, odd spaces and escaped names are gone: it is the engine that has read the
// text. What is not allowed here is refused: a kind of node, a function or a table that
// nobody has thought of.
//
// Names are printed as they are, and a name may hold a line break. Every rule here is
// therefore one that extra lines can only make stricter: each line must be allowed by
// itself, and no rule depends on which line stands above, but for the table functions,
// whose rule is the stricter one.
//
// The tree hides some things. Kinds of nodes that do are not allowed: APPLY, which names a
// function, SHOW TABLES with its conditions, and SETTINGS. Of those the engine's own
// constraints do not hold: `SETTINGS readonly = DEFAULT` takes a session's limits away.
package querytree
