package readside_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	citedFile = regexp.MustCompile("`([a-zA-Z0-9_./-]+\\.(?:go|sql|md|yaml|patch))`")
	citedTest = regexp.MustCompile("`\\./([a-z/]+) (Test[A-Za-z0-9]+)`")
	aPage     = regexp.MustCompile(`\bdocs/[a-z0-9/-]+\.md`)
	linked    = regexp.MustCompile(`\]\(([^)#:\s]+)\)`)
)

// documents are the pages for people.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			pages[name] = string(content)
		}
	}
	if len(pages) < 5 {
		t.Fatalf("only %d pages found", len(pages))
	}
	return pages
}

// TestPagesCiteWhatIsThere checks files, links and tests that the pages name. A file
// without a folder may stand anywhere.
func TestPagesCiteWhatIsThere(t *testing.T) {
	anywhere := fileNames(t)
	for page, content := range documents(t) {
		for _, m := range citedFile.FindAllStringSubmatch(content, -1) {
			if _, err := os.Stat(m[1]); err != nil && (strings.Contains(m[1], "/") || !anywhere[m[1]]) {
				t.Errorf("%s names the file %s, which is not there", page, m[1])
			}
		}
		for _, name := range aPage.FindAllString(content, -1) {
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%s names the page %s, which is not there", page, name)
			}
		}
		for _, m := range linked.FindAllStringSubmatch(content, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
		for _, m := range citedTest.FindAllStringSubmatch(content, -1) {
			if !hasTest(t, m[1], m[2]) {
				t.Errorf("%s names %s of %s, which is not there", page, m[2], m[1])
			}
		}
	}
}

func fileNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		names[path.Base(name)] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func hasTest(t *testing.T, pkg, test string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(src), "func "+test+"(t *testing.T)") {
			return true
		}
	}
	return false
}

var (
	commandRoute = regexp.MustCompile(`Method: "([A-Z]+)", Path: "([^"]+)"`)
	readRoute    = regexp.MustCompile(`api\.Read\("([^"]+)"`)
)

// TestEveryCommandIsDocumented finds the services' routes on the page of commands.
func TestEveryCommandIsDocumented(t *testing.T) {
	page := documents(t)["docs/commands.md"]
	sources, err := filepath.Glob("writemodels/*/commands.go")
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, name := range sources {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandRoute.FindAllStringSubmatch(string(content), -1) {
			routes = append(routes, m[1]+" "+m[2])
		}
		for _, m := range readRoute.FindAllStringSubmatch(string(content), -1) {
			routes = append(routes, "GET "+m[1])
		}
	}
	const least = 12 // fewer were found: the pattern no longer fits
	if len(routes) < least {
		t.Errorf("only %d routes found in %v", len(routes), sources)
	}
	for _, route := range routes {
		if !strings.Contains(page, "`"+route+"`") {
			t.Errorf("docs/commands.md does not name %s", route)
		}
	}
}
