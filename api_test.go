package readside_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/api.txt anew")

const apiFile = "testdata/api.txt"

// notPublic are folders whose packages nobody outside relies on: insides, programs, and the
// reference shop, which others replace by their own domain.
var notPublic = []string{"internal", "cmd", "tools", "examples", "writemodels", "projections/shop", "queryapi/shop"}

// TestThePublicAPIIsTheListedOne compares every exported declaration of the public packages
// with a committed listing, so that no change of one goes by unseen. A change that is meant
// is accepted by `go test . -run PublicAPI -rewrite`, and told in CHANGELOG.md.
func TestThePublicAPIIsTheListedOne(t *testing.T) {
	got, err := listing()
	if err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(apiFile, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(apiFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lineChanges(string(want), got) {
		t.Errorf("the public API differs from %s: %s", apiFile, line)
	}
}

// TestAChangeOfThePublicAPIIsSeen has one change of each kind.
func TestAChangeOfThePublicAPIIsSeen(t *testing.T) {
	const before = "package p: func F(int) error\npackage p: type T struct { A int }\n"
	for after, want := range map[string]string{
		"package p: func F(int) error\n":                                                                    "- package p: type T struct { A int }",
		"package p: func F(int64) error\npackage p: type T struct { A int }\n":                              "+ package p: func F(int64) error",
		"package p: func F(int) error\npackage p: func G()\npackage p: type T struct { A int }\n":           "+ package p: func G()",
		"package p: func F(int) error\npackage p: type T struct { A int }\npackage p: type U = interface{}": "+ package p: type U = interface{}",
	} {
		if changes := lineChanges(before, after); len(changes) == 0 || !strings.Contains(strings.Join(changes, "\n"), want) {
			t.Errorf("found %q, which lacks %q", changes, want)
		}
	}
	if changes := lineChanges(before, before); len(changes) > 0 {
		t.Errorf("found %q in what is equal", changes)
	}
}

// lineChanges are the lines of one text only, marked + and -.
func lineChanges(before, after string) (changes []string) {
	in := func(text string) map[string]bool {
		lines := map[string]bool{}
		for line := range strings.Lines(text) {
			lines[strings.TrimSpace(line)] = true
		}
		return lines
	}
	old, now := in(before), in(after)
	for line := range strings.Lines(before) {
		if line = strings.TrimSpace(line); !now[line] {
			changes = append(changes, "- "+line)
		}
	}
	for line := range strings.Lines(after) {
		if line = strings.TrimSpace(line); !old[line] {
			changes = append(changes, "+ "+line)
		}
	}
	return changes
}

// listing has a line for each exported declaration, with its package.
func listing() (string, error) {
	folders, err := load(os.DirFS("."))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range folders {
		if isPublic(f.path) && f.hasCode() {
			if err := list(&b, f); err != nil {
				return "", fmt.Errorf("%s: %w", f.path, err)
			}
		}
	}
	return b.String(), nil
}

func isPublic(dir string) bool {
	for _, folder := range notPublic {
		if dir == folder || strings.HasPrefix(dir, folder+"/") || strings.Contains(dir, "/internal/") {
			return false
		}
	}
	return true
}

// list writes a package's exported declarations: constants, variables, functions, then each
// type with what belongs to it.
func list(b *strings.Builder, f *folder) error {
	var trees []*ast.File
	set := token.NewFileSet() // one for all files of a package, as go/doc wants it
	for _, one := range f.files {
		if one.test {
			continue
		}
		tree, err := parser.ParseFile(set, one.path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		trees = append(trees, tree)
	}
	p, err := doc.NewFromFiles(set, trees, path.Join(module, f.path))
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	write := func(decl ast.Node) {
		if line := f.path + ": " + oneLineOf(decl) + "\n"; !seen[line] { // files for two systems declare the same
			seen[line] = true
			b.WriteString(line)
		}
	}
	values := func(all []*doc.Value) {
		for _, v := range all {
			write(exportedSpecs(v.Decl))
		}
	}
	functions := func(all []*doc.Func) {
		for _, fn := range all {
			write(&ast.FuncDecl{Recv: fn.Decl.Recv, Name: fn.Decl.Name, Type: fn.Decl.Type})
		}
	}
	values(p.Consts)
	values(p.Vars)
	functions(p.Funcs)
	for _, of := range p.Types {
		write(exportedSpecs(of.Decl))
		values(of.Consts)
		values(of.Vars)
		functions(of.Funcs)
		functions(of.Methods)
	}
	return nil
}

// exportedSpecs is a declaration with its exported names, fields and methods only.
func exportedSpecs(decl *ast.GenDecl) *ast.GenDecl {
	file := &ast.File{Name: ast.NewIdent("p"), Decls: []ast.Decl{&ast.GenDecl{Tok: decl.Tok, Lparen: decl.Lparen, Specs: decl.Specs}}}
	ast.FileExports(file)
	return file.Decls[0].(*ast.GenDecl)
}

// oneLineOf prints a declaration without comments, values of variables, and long texts.
func oneLineOf(decl ast.Node) string {
	if d, is := decl.(*ast.GenDecl); is {
		for _, spec := range d.Specs {
			if v, is := spec.(*ast.ValueSpec); is && (d.Tok == token.VAR || longText(v)) {
				v.Values = nil
			}
		}
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			n.Doc, n.Comment = nil, nil
		case *ast.ValueSpec:
			n.Doc, n.Comment = nil, nil
		case *ast.TypeSpec:
			n.Doc, n.Comment = nil, nil
		}
		return true
	})
	var b bytes.Buffer
	if err := format.Node(&b, token.NewFileSet(), decl); err != nil {
		return err.Error()
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(strings.Fields(strings.Join(lines, "; ")), " ")
}

// longText reports whether a constant's value is SQL, say, whose wording is no promise.
func longText(v *ast.ValueSpec) bool {
	const most = 60
	long := false
	for _, value := range v.Values {
		ast.Inspect(value, func(n ast.Node) bool {
			literal, is := n.(*ast.BasicLit)
			long = long || is && literal.Kind == token.STRING && len(literal.Value) > most
			return true
		})
	}
	return long
}
