package readside_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wording is a phrase that a reader has to decode, and what to write in its place.
type wording struct {
	phrase *regexp.Regexp
	write  string
}

// inComments are phrases of comments in Go, inProse of those and of the pages.
var (
	inComments = []wording{
		{regexp.MustCompile(`^(Err|err)\w+ says `), "an error is returned when"},
		{regexp.MustCompile(`^\w+ says that `), "a predicate reports whether"},
		{regexp.MustCompile(`\bsays whether\b`), "reports whether"},
		{regexp.MustCompile(`^\w+ (answers|tells) (nil|ok|an operator)\b`), "a function returns, or logs"},
		{regexp.MustCompile(`\band answers (how|those|nil|that error)\b`), "and returns"},
	}
	inProse = []wording{
		{regexp.MustCompile(`(?i)\bwhoever\b`), "the actor: the worker, the reader, the operator, the caller"},
		{regexp.MustCompile(`\bhears\b`), "is told, learns, is called"},
		{regexp.MustCompile(`(?i)by the dozen`), "what is refused, and what to name"},
		{regexp.MustCompile(`(?i)half a projector`), "a partly dropped projector"},
		{regexp.MustCompile(`(?i)\bwho doubts\b`), "a heading that an engineer would search for"},
	}
)

// plain are rooms whose comments have been rewritten whole: inPlain holds there, too, and a
// room that is added stays.
var plain = []string{"projections/control", "projections/engine", "projections/internal/...", "projections/operate/..."}

var inPlain = []wording{
	{regexp.MustCompile(`\b(says|tells|answers)\b`), "returns, reports whether, is, names, logs"},
	{regexp.MustCompile(`\b(goes|go|going|went) on\b`), "continue, or resume"},
	{regexp.MustCompile(`\b(is|are|was|were|been) told\b`), "is called with, sees, learns"},
	{regexp.MustCompile(`\banew\b`), "again, or from scratch"},
	{regexp.MustCompile(`\b(mend|mends|mended|mending)\b`), "repair"},
	{regexp.MustCompile(`\brelieve(s|d)?\b`), "take over, replace"},
}

func (w wording) find(text string) bool { return w.phrase.MatchString(text) }

// TestWords keeps phrases out that were replaced everywhere. docs/glossary.md has the words
// that are used in their place.
func TestWords(t *testing.T) {
	comments := 0
	for _, name := range goFiles(t) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(content), "\n") {
			_, comment, is := strings.Cut(line, "// ")
			if !is || strings.Contains(line, "MustCompile") {
				continue
			}
			comments++
			for _, w := range slices.Concat(inComments, inProse, wordsOf(path.Dir(name))) {
				if w.find(comment) {
					t.Errorf("%s:%d: %q: write %s", name, i+1, comment, w.write)
				}
			}
		}
	}
	for page, content := range documents(t) {
		if strings.HasPrefix(page, "docs/decisions") || page == "CHANGELOG.md" {
			continue // they are of their day
		}
		for i, line := range strings.Split(content, "\n") {
			for _, w := range inProse {
				if w.find(line) {
					t.Errorf("%s:%d: %q: write %s", page, i+1, w.phrase.FindString(line), w.write)
				}
			}
		}
	}
	if comments < 5000 {
		t.Errorf("only %d lines of comments were read", comments)
	}
}

// wordsOf are the further phrases that a room's comments do without.
func wordsOf(room string) []wording {
	if slices.ContainsFunc(plain, func(p string) bool { return fits(p, room) }) {
		return inPlain
	}
	return nil
}

// goFiles are the repository's own, those of the modules within it too.
func goFiles(t *testing.T) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "bin" || d.Name() == "node_modules"):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go"):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
