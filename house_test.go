package readside_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// owners are which rooms may hold statements on which tables: a table is known to one place,
// so that what depends on its columns is found by looking there.
var owners = []struct {
	tables *regexp.Regexp
	rooms  []string
	why    string
}{
	{regexp.MustCompile(`\breadside\.(projectors|leases|views|builds|slices|parked|degraded)\b`), []string{"projections/control"}, "the tables of projectors are control's"},
	{regexp.MustCompile(`\breadside\.cold_[a-z]+\b`), []string{"projections/cold/...", "projections/control"}, "the ledger and the checkpoint of facts are the cold wing's"},
	{regexp.MustCompile(`\breadside\.verified\b`), []string{"projections/watch", "projections/control"}, "what continuous verification found is watch's"},
	{regexp.MustCompile(`\beventlog\.(events|settled|log|incarnations)\b`), []string{"eventlog/...", "projections/cold/..."}, "the log's tables are the log's; the ledger of facts compares itself with them in one statement"},
}

// statement is what a string literal that is SQL on a table looks like, as against a message
// that names the table.
var statement = regexp.MustCompile(`(?i)\b(from|join|into|update|delete|table_size\()\s*'?(only )?(readside|eventlog)\.`)

// elsewhere are rooms that hold such statements all the same, and why.
var elsewhere = map[string]string{
	"migrations":              "it makes the tables",
	"projections/application": "it asks whose a filled database is before any other room may touch it",
	"queryapi":                "it reads checkpoint, lease and tables in the round trip of its query; its stages come with issue 6",
}

// measuring are programs that look into a database from outside, as an operator would with
// psql: a benchmark, a proof, the demo's screen, a test database.
var measuring = []string{"internal/bench/...", "internal/demo/...", "internal/proof/...", "internal/dbtest", "internal/status/..."}

// TestHouse keeps what no single import shows: where statements stand, what libraries name,
// and what is embedded. The reason of a rule stands beside it.
func TestHouse(t *testing.T) {
	folders, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		for _, problem := range f.house() {
			t.Error(problem)
		}
	}
}

func (p *folder) house() (problems []string) {
	for _, f := range p.files {
		if !f.test {
			problems = slices.Concat(problems, f.statements(p.path), f.programs(p.path), f.embedded(p.path))
		}
	}
	return problems
}

// statements finds SQL on a table outside of the room that owns it.
func (f *file) statements(room string) (problems []string) {
	if elsewhere[room] != "" || slices.ContainsFunc(measuring, func(p string) bool { return fits(p, room) }) {
		return nil
	}
	for at, text := range f.texts() {
		if !statement.MatchString(text) {
			continue
		}
		for _, o := range owners {
			table := o.tables.FindString(text)
			if table != "" && !slices.ContainsFunc(o.rooms, func(p string) bool { return fits(p, room) }) {
				problems = append(problems, fmt.Sprintf("%s: SQL on %s: %s: put it into %s", at, table, o.why, o.rooms[0]))
			}
		}
	}
	return problems
}

var command = regexp.MustCompile("`?readside (up|demo|project|serve|status|verify|explain|rebuild|parked|migrate|events|schema)\\b")

// programs finds a library that names a program or reads the environment: what it returns is
// shown by programs of any name, with settings of any prefix.
func (f *file) programs(room string) (problems []string) {
	// readsidetest sets a program up as an environment would.
	if !isPublic(room) || room == "." || room == "readsidetest" {
		return nil
	}
	for at, text := range f.texts() {
		if found := command.FindString(text); found != "" {
			problems = append(problems, fmt.Sprintf("%s: a library names the program %q: say what to do, and let the program name its command", at, found))
		}
	}
	ast.Inspect(f.tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && isPackage(s.X, "os") && slices.Contains([]string{"Getenv", "LookupEnv", "Environ"}, s.Sel.Name) {
			problems = append(problems, fmt.Sprintf("%s: a library reads the environment: take the value in its Config", f.set.Position(s.Pos())))
		}
		return true
	})
	return problems
}

// embedders are rooms that may embed pointers to structs of their own, and why.
var embedders = map[string]string{
	"projections/cold": "its rooms are being made",
	"queryapi":         "its stages come with issue 6",
	"queryapi/guard":   "its stages come with issue 6",
}

// embedded finds insiders that embed a pointer to another struct of their room: they reach all
// of that one's fields, and a reader cannot tell which they use. An exported struct may embed
// another to export its methods.
func (f *file) embedded(room string) (problems []string) {
	if embedders[room] != "" {
		return nil
	}
	ast.Inspect(f.tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.IsExported() {
			return true
		}
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range s.Fields.List {
			if name := pointerToOwn(field.Type); len(field.Names) == 0 && name != "" {
				problems = append(problems, fmt.Sprintf("%s: *%s is embedded: pass the fields that are used", f.set.Position(field.Pos()), name))
			}
		}
		return true
	})
	return problems
}

// pointerToOwn is the name of a pointer's type where that is of the same package, or empty.
func pointerToOwn(x ast.Expr) string {
	star, ok := x.(*ast.StarExpr)
	if !ok {
		return ""
	}
	ident, ok := star.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return ident.Name
}

// texts are the string literals of a file, by their places.
func (f *file) texts() map[token.Position]string {
	out := map[token.Position]string{}
	ast.Inspect(f.tree, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		if text, err := strconv.Unquote(lit.Value); err == nil {
			out[f.set.Position(lit.Pos())] = text
		}
		return true
	})
	return out
}

func isPackage(x ast.Expr, name string) bool {
	ident, ok := x.(*ast.Ident)
	return ok && ident.Name == name
}

// TestHouseRules has one breach of each rule.
func TestHouseRules(t *testing.T) {
	for name, c := range map[string]struct{ path, code, want string }{
		"a statement of another room":   {"internal/hot/x.go", "package hot\nconst q = `select 1 from readside.leases`\n", "the tables of projectors are control's"},
		"a statement of the room":       {"projections/control/x.go", "package control\nconst q = `select 1 from readside.leases`\n", ""},
		"a message with a table":        {"internal/hot/x.go", "package hot\nconst q = `drop the row in readside.projectors`\n", ""},
		"a library names a program":     {"queryapi/x.go", "package queryapi\nconst hint = `run readside status`\n", "names the program"},
		"a library reads a variable":    {"eventlog/x.go", "package eventlog\nimport \"os\"\nvar v = os.Getenv(`X`)\n", "reads the environment"},
		"an insider embeds another":     {"eventlog/x.go", "package eventlog\ntype a struct{ n int }\ntype b struct{ *a }\n", "*a is embedded"},
		"an exported struct embeds":     {"eventlog/x.go", "package eventlog\ntype A struct{ n int }\ntype B struct{ *A }\n", ""},
		"a struct of another package's": {"eventlog/x.go", "package eventlog\nimport \"sync\"\ntype b struct{ *sync.Mutex }\n", ""},
	} {
		folders, err := load(fstest.MapFS{c.path: {Data: []byte(c.code)}})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(folders[0].house(), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: found %q, want %q", name, got, c.want)
		}
	}
}
