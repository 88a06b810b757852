// Package readside_test keeps the architecture: who may import whom, and the few
// rules of form that no linter knows. ARCHITECTURE.md says why.
package readside_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/readside/readside"

// room is a part of the module and what its code (not its tests) may import of the
// module. The first room whose pattern fits a package is the package's own. A pattern
// ending in /... fits the folder and all below it.
type room struct {
	pattern string
	imports []string
	why     string
}

var rooms = []room{
	{"writemodels/contract", nil, "the published events are plain structs: every service and every view can afford to know them"},
	{"writemodels/upcasters", []string{"writemodels/contract", "eventlog"}, "old versions of events are lifted, nothing else"},
	{"writemodels/command", []string{"writemodels/contract", "eventlog"}, "the kit of the command APIs knows no service"},
	{"writemodels/shopapi", []string{"writemodels/...", "eventlog/..."}, "it puts the services together"},
	{"writemodels/...", []string{"writemodels/contract", "writemodels/command", "eventlog", "eventlog/reaction"},
		"a service knows the contract and the log, never another service: it could run alone"},

	{"eventlog/admission", nil, "the rules are about values, and known to every way in"},
	{"eventlog/announce", nil, "an announcement carries nothing, so it needs to know nothing"},
	{"eventlog/internal/...", []string{"eventlog/internal/..."}, "the log's insides work on places, texts and rows: they know neither Event nor Position"},
	{"eventlog", []string{"eventlog/admission", "eventlog/announce", "eventlog/internal/..."}, "the log knows no domain and no view"},
	{"eventlog/ingest", []string{"eventlog", "eventlog/admission", "eventlog/internal/..."}, "events of other systems are judged by the log's rules, whatever their format"},
	{"eventlog/reaction/internal/fault", []string{"eventlog"}, "errors are judged without a service"},
	{"eventlog/...", []string{"eventlog/..."}, "what stands around the log knows the log only"},

	{"projections/internal/jsonshape", nil, "types are compared with JSON, whatever they are for"},
	{"projections", []string{"eventlog", "internal/decimals", "projections/internal/jsonshape"}, "definitions are values: they need the log's Event and Position, and no store"},
	{"projections/progress", nil, "numbers that a fold reports, and nothing else"},
	{"projections/application", nil, "who owns a database is asked before anything else is known"},
	{"projections/control", []string{"projections", "eventlog"}, "the tables readside.*, for everybody who reads or writes them; it knows no view's table"},
	{"projections/watch", []string{"projections/control"}, "a rate, a difference and a record: they know neither views nor facts"},
	{"projections/parking", []string{"projections", "eventlog"}, "what waits is decided without a store"},
	{"projections/watch/rows", []string{"projections", "projections/control", "internal/hot/...", "internal/replay/...", "projections/watch", "eventlog"}, "it folds privately and reads the views' tables"},
	{"projections/cold/...", []string{"projections", "projections/application", "projections/cold/...", "projections/watch", "eventlog", "internal/decimals"}, "the ClickHouse side knows definitions only"},
	{"projections/internal/memory", nil, "how many bytes work may hold depends on nothing of ours"},
	{"projections/internal/batch", []string{"projections", "projections/parking", "eventlog"}, "a batch is read and decoded before anybody knows what becomes of it"},
	{"projections/internal/cache", []string{"projections", "internal/hot/..."}, "rows in memory know neither batches nor checkpoints"},
	{"projections/internal/fold", []string{"projections", "projections/control", "internal/hot/...", "projections/internal/batch", "projections/internal/cache", "projections/parking", "eventlog"},
		"a turn knows one ownership, and nothing that outlives it"},
	{"projections/internal/order", []string{"projections", "projections/control", "internal/hot/...", "projections/internal/batch", "projections/internal/fold", "projections/parking", "eventlog"},
		"an order is decided on values, and folded by a turn"},
	{"projections/internal/build", []string{"eventlog/size", "projections", "projections/control", "internal/hot/...", "projections/internal/fold", "projections/internal/memory", "projections/parking", "internal/replay/...", "projections/progress", "eventlog"},
		"first rows come before the first batch"},
	{"projections/internal/own", []string{"projections", "projections/control", "internal/hot/...", "projections/internal/...", "internal/replay/...", "projections/progress", "eventlog"}, "who may write rows, above how they are folded"},
	{"projections/internal/desk", []string{"projections/application", "projections/control", "projections/engine", "internal/hot/...", "projections/internal/own"}, "operators' commands begin with the projector's configuration"},
	{"projections/engine", []string{"projections", "projections/application", "projections/control", "internal/hot/...", "projections/internal/...", "internal/replay/...", "projections/progress", "projections/watch/...", "eventlog"},
		"the engine knows no domain"},
	{"projections/operate/verify", []string{"eventlog/size", "projections", "projections/application", "projections/control", "projections/engine", "internal/hot/...", "projections/internal/memory", "internal/replay/...", "projections/progress", "eventlog"},
		"it folds privately and writes nothing"},
	{"projections/operate/...", []string{"eventlog/size", "projections", "projections/control", "projections/engine", "internal/hot/...", "projections/internal/...", "projections/operate/verify", "projections/parking", "internal/replay/...", "projections/progress", "eventlog"},
		"operators' work stands above the engine, which knows nothing of it"},
	{"projections/explain", []string{"projections", "projections/control", "internal/hot/...", "eventlog"}, "it folds privately and reads one row"},
	{"projections/projectiontest", []string{"projections", "eventlog", "internal/inmemory"}, "the test kit needs no store"},
	{"projections/shop/...", []string{"projections", "projections/shop/...", "writemodels/contract", "writemodels/upcasters", "eventlog"},
		"views are made of published events, never of a service's inside"},

	{"queryapi/shop/...", []string{"queryapi/...", "projections", "projections/shop", "eventlog"}, "the shop's screens stand on the shop's views"},
	{"queryapi/...", []string{"queryapi/...", "projections", "projections/application", "projections/control", "eventlog", "internal/localonly"}, "the query API knows no shop and no writer"},

	{"migrations", nil, "SQL and a runner"},
	{"stores", nil, "what a program needs of stores of its own; a program without them carries none"},
	{"stores/embedded", []string{"stores", "internal/ownstores"}, "the embedded stores, for programs that want them"},
	{"readsidetest", []string{".", "eventlog", "projections/projectiontest", "queryapi/refusal", "internal/dbtest", "stores/embedded"}, "the tests of applications run what Main runs"},
	{"internal/hot/cell", []string{"projections", "internal/decimals"}, "a value in binary form knows its column"},
	{"internal/hot/image", []string{"internal/hot/cell"}, "a row in binary form is bytes"},
	{"internal/hot/pipeline", []string{"internal/hot/cell"}, "statements are sent without knowing what they write"},
	{"internal/hot/...", []string{"projections", "internal/hot/..."}, "the Postgres side of views knows definitions only"},
	{"internal/replay/keyhash", nil, "a hash of a text depends on nothing of ours"},
	{"internal/replay/spill", nil, "records are bytes"},
	{"internal/replay/queue", nil, "a queue knows nothing of what it holds"},
	{"internal/replay/record", []string{"eventlog"}, "an event is written down without its view"},
	{"internal/replay/rowtable", []string{"projections"}, "rows are found by hash and key"},
	{"internal/replay/waiting", []string{"projections", "eventlog"}, "what waits is decided on places and keys"},
	{"internal/replay/reading", []string{"projections", "internal/replay/keyhash", "eventlog"}, "pages are read and decoded before anybody folds them"},
	{"internal/replay/parts", []string{"internal/hot/...", "internal/replay/record", "internal/replay/rowtable", "internal/replay/spill"}, "memory is bounded, whatever is folded into it"},
	{"internal/replay/finished", []string{"projections", "internal/hot/..."}, "what is handed out knows nothing of how it was folded"},
	{"internal/replay", []string{"projections", "projections/progress", "internal/hot/...", "internal/replay/...", "eventlog"}, "a private fold reads the log and writes no table"},
	{"internal/inmemory", []string{"projections"}, "what a store is compared with knows no store"},
	{"internal/decimals", nil, "what a column of decimals holds depends on nothing of ours"},
	{"internal/localonly", nil, "which requests are this machine's own depends on nothing of ours"},
	{"internal/embedded/...", []string{"internal/embedded/...", "internal/localonly"}, "the embedded stores know only how to run"},
	{"internal/logtest", []string{"eventlog", "eventlog/announce"}, "tests of the log know the log only"},
	{"internal/dbtest", []string{"internal/embedded/...", "migrations", "projections/application"}, "a test database is a store and its schema"},
	{poolers, nil, "every room that connects imports it, so it knows none of them"},
	{sessions, nil, "every room that connects imports it, so it knows none of them"},
	{faults, nil, "every room that is configured imports it, so it knows none of them"},
	{"internal/shopload", nil, "the load comes from outside, through HTTP, like anybody's"},
	{"internal/bench/baseline/...", []string{"writemodels/contract", "eventlog", "projections", "internal/hot/...", "internal/inmemory"}, "a rival that used the engine would measure nothing"},
	{"internal/exact", []string{"writemodels/contract", "eventlog"}, "an oracle that shared the engine's code would share its faults"},
	{"internal/...", []string{"..."}, "wiring of demo, benchmark, proof and mutants"},
	{"cmd/...", []string{"..."}, "wiring"},
}

// poolers and sessions may be imported by every package that connects to Postgres: what a
// connection is does not depend on who opens it, and they know nothing of the module.
const (
	poolers  = "internal/pooler"
	sessions = "internal/session"
	faults   = "internal/settings"
)

// forbidden are arrows that a pattern in rooms would let through.
var forbidden = []struct{ from, to, why string }{
	{"queryapi", "queryapi/shop", "the query API knows no shop"},
	{"queryapi/guard", "queryapi", "the guard comes before everything else"},
}

func TestArchitecture(t *testing.T) {
	packages, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 10 {
		t.Fatalf("only %d packages found: the test does not run in the module's root", len(packages))
	}
	for _, p := range packages {
		for _, problem := range p.problems() {
			t.Error(problem)
		}
	}
}

// folder is a package as its files say.
type folder struct {
	path  string
	name  string
	doc   bool
	files []*file
}

type file struct {
	path  string
	test  bool
	lines int
	tree  *ast.File
	set   *token.FileSet
}

// load reads the Go files of the module, other modules and testdata left out.
func load(fsys fs.FS) ([]*folder, error) {
	found := map[string]*folder{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(fsys, name, d)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		return add(fsys, found, name)
	})
	folders := make([]*folder, 0, len(found))
	for _, f := range found {
		folders = append(folders, f)
	}
	slices.SortFunc(folders, func(a, b *folder) int { return strings.Compare(a.path, b.path) })
	return folders, err
}

// enter returns fs.SkipDir for folders that hold none of the module's packages.
func enter(fsys fs.FS, name string, d fs.DirEntry) error {
	if name == "." {
		return nil
	}
	if strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules" || name == "bin" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func add(fsys fs.FS, found map[string]*folder, name string) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	dir := path.Dir(name)
	if found[dir] == nil {
		found[dir] = &folder{path: dir}
	}
	p := found[dir]
	f := &file{path: name, test: strings.HasSuffix(name, "_test.go"), lines: strings.Count(string(src), "\n"), tree: tree, set: set}
	p.files = append(p.files, f)
	p.name = strings.TrimSuffix(tree.Name.Name, "_test")
	p.doc = p.doc || tree.Doc != nil && (!f.test || dir == ".")
	return nil
}

func (p *folder) problems() []string {
	problems := p.arrows()
	if !p.doc && p.hasCode() {
		problems = append(problems, fmt.Sprintf("package %s has no doc comment: say above its package clause, in one file, what it is for", p.path))
	}
	if slices.Contains([]string{"util", "utils", "common", "shared", "helpers", "misc"}, p.name) {
		problems = append(problems, fmt.Sprintf("package %s is named for nothing: name it for what it gives", p.path))
	}
	for _, f := range p.files {
		problems = append(problems, f.problems()...)
	}
	return problems
}

func (p *folder) hasCode() bool {
	return slices.ContainsFunc(p.files, func(f *file) bool { return !f.test })
}

// arrows checks what the package's code imports of the module.
func (p *folder) arrows() []string {
	if p.path == "." || !p.hasCode() {
		return nil
	}
	i := slices.IndexFunc(rooms, func(r room) bool { return fits(r.pattern, p.path) })
	if i < 0 {
		return []string{fmt.Sprintf("package %s stands in no room: give it one in rooms of architecture_test.go, and in ARCHITECTURE.md", p.path)}
	}
	var problems []string
	for _, f := range p.files {
		if f.test {
			continue
		}
		for _, imported := range f.imports() {
			if why, ok := allowed(p.path, imported, rooms[i]); !ok {
				problems = append(problems, fmt.Sprintf("%s imports %s: %s", f.path, imported, why))
			}
		}
	}
	return problems
}

// allowed reports whether a package of a room may import another, by its full path.
func allowed(from, imported string, r room) (why string, ok bool) {
	to, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		standard := !strings.Contains(strings.Split(imported, "/")[0], ".")
		return "the contract needs the standard library only", standard || from != "writemodels/contract"
	}
	for _, f := range forbidden {
		if f.from == from && f.to == to {
			return f.why, false
		}
	}
	if to == poolers || to == sessions || to == faults {
		return "", true
	}
	if slices.ContainsFunc(r.imports, func(pattern string) bool { return fits(pattern, to) }) {
		return "", true
	}
	if len(r.imports) == 0 {
		return fmt.Sprintf("%s may import nothing of the module, since %s", from, r.why), false
	}
	return fmt.Sprintf("%s may import %s, since %s", from, strings.Join(r.imports, ", "), r.why), false
}

func fits(pattern, pkg string) bool {
	if pattern == "..." {
		return true
	}
	if root, below := strings.CutSuffix(pattern, "/..."); below {
		return pkg == root || strings.HasPrefix(pkg, root+"/")
	}
	return pkg == pattern
}

func (f *file) imports() []string {
	var paths []string
	for _, spec := range f.tree.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// Past these a file or a function is asked to become two.
const (
	fileLinesMax     = 500
	functionLinesMax = 70
)

func (f *file) problems() []string {
	var problems []string
	if f.lines > fileLinesMax {
		problems = append(problems, fmt.Sprintf("%s has %d lines: split it, one idea per file (at most %d)", f.path, f.lines, fileLinesMax))
	}
	for _, d := range f.tree.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			problems = append(problems, f.function(fn)...)
		}
	}
	if f.test {
		problems = append(problems, f.sleepsAndSkips()...)
	}
	return problems
}

func (f *file) function(fn *ast.FuncDecl) []string {
	var problems []string
	at := f.set.Position(fn.Pos())
	if n := f.set.Position(fn.End()).Line - at.Line + 1; n > functionLinesMax {
		problems = append(problems, fmt.Sprintf("%s: %s has %d lines: split it (at most %d)", at, fn.Name.Name, n, functionLinesMax))
	}
	if fn.Name.Name == "init" && fn.Recv == nil && !f.test {
		problems = append(problems, fmt.Sprintf("%s: func init: nothing registers itself; hand values over", at))
	}
	return problems
}

// sleepsAndSkips finds what a test must not do: a sleep hides a race or slows the
// suite, a skip hides a missing store.
func (f *file) sleepsAndSkips() []string {
	var problems []string
	ast.Inspect(f.tree, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := s.X.(*ast.Ident)
		if !ok {
			return true
		}
		at := f.set.Position(s.Pos())
		if x.Name == "time" && s.Sel.Name == "Sleep" {
			problems = append(problems, fmt.Sprintf("%s: time.Sleep in a test: wait for a signal or a condition, with a bound", at))
		}
		if slices.Contains([]string{"t", "b", "tb", "f"}, x.Name) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, s.Sel.Name) {
			problems = append(problems, fmt.Sprintf("%s: %s.%s in a test: what is missing fails the test and names the command that installs it", at, x.Name, s.Sel.Name))
		}
		return true
	})
	return problems
}
