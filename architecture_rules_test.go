package readside_test

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestArchitectureRules breaks each rule once, in modules that exist in memory only.
func TestArchitectureRules(t *testing.T) {
	long := "// Package log is long.\npackage log\n" + strings.Repeat("//\n", fileLinesMax)
	longFunc := "// Package log is long.\npackage log\nfunc f() {\n" + strings.Repeat("\t_ = 1\n", functionLinesMax) + "}\n"
	cases := []struct{ name, path, src, want string }{
		{"a service imports another", "writemodels/basket/b.go", importing("basket", module+"/writemodels/catalog"), "never another service"},
		{"the contract imports the log", "writemodels/contract/c.go", importing("contract", module+"/eventlog"), "may import nothing"},
		{"the contract imports a library", "writemodels/contract/c.go", importing("contract", "github.com/google/uuid"), "standard library only"},
		{"the log imports a view", "eventlog/l.go", importing("eventlog", module+"/projections"), "may import eventlog/admission"},
		{"a definition imports the engine", "projections/p.go", importing("projections", module+"/projections/engine"), "definitions are values"},
		{"the engine imports a domain", "projections/engine/e.go", importing("engine", module+"/projections/shop"), "knows no domain"},
		{"a view imports a service", "projections/shop/s.go", importing("shop", module+"/writemodels/ordering"), "never of a service's inside"},
		{"the query API imports the engine", "queryapi/q.go", importing("queryapi", module+"/projections/engine"), "no writer"},
		{"the query API imports the shop", "queryapi/q.go", importing("queryapi", module+"/queryapi/shop"), "knows no shop"},
		{"the load imports the log", "internal/shopload/l.go", importing("shopload", module+"/eventlog"), "from outside"},
		{"the oracle imports a view", "internal/exact/o.go", importing("exact", module+"/projections"), "share its faults"},
		{"a package without a room", "extras/x.go", importing("extras", "fmt"), "stands in no room"},
		{"a package without a doc comment", "eventlog/l.go", "package eventlog\n", "no doc comment"},
		{"a package named for nothing", "internal/util/u.go", "// Package util is all and nothing.\npackage util\n", "named for nothing"},
		{"a long file", "eventlog/l.go", long, "split it, one idea per file"},
		{"a long function", "eventlog/l.go", longFunc, "f has 72 lines"},
		{"an init", "eventlog/l.go", "// Package eventlog.\npackage eventlog\nfunc init() {}\n", "func init"},
		{"a sleep", "eventlog/l_test.go", "package eventlog\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "time.Sleep in a test"},
		{"a skip", "eventlog/l_test.go", "package eventlog\nfunc f(t T) { t.Skip() }\n", "t.Skip in a test"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			problems := problemsOf(t, fstest.MapFS{c.path: {Data: []byte(c.src)}})
			if len(problems) != 1 || !strings.Contains(problems[0], c.want) {
				t.Errorf("found %q, want one problem that says %q", problems, c.want)
			}
		})
	}
}

// TestArchitectureAllows has one of each that is no fault.
func TestArchitectureAllows(t *testing.T) {
	problems := problemsOf(t, fstest.MapFS{
		"writemodels/basket/b.go":     {Data: []byte(importing("basket", module+"/eventlog/reaction"))},
		"cmd/readside/main.go":        {Data: []byte(importing("main", module+"/queryapi/shop"))},
		"eventlog/testdata/broken.go": {Data: []byte("not Go")},
		"tools/go.mod":                {Data: []byte("module other\n")},
		"tools/t.go":                  {Data: []byte("package common\n")},
	})
	if len(problems) > 0 {
		t.Errorf("found %q", problems)
	}
}

func importing(pkg, imported string) string {
	return "// Package " + pkg + " is a test's.\npackage " + pkg + "\n\nimport _ \"" + imported + "\"\n"
}

func problemsOf(t *testing.T, fsys fstest.MapFS) []string {
	t.Helper()
	folders, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var problems []string
	for _, f := range folders {
		problems = append(problems, f.problems()...)
	}
	return problems
}
