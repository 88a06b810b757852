package readside_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

var (
	sentenceCount = flag.Int("sentences", 20, "how many sentences TestSentences prints for a reader's eye")
	sentenceSeed  = flag.Uint64("sentence-seed", 1, "draws them")
)

// TestSentences prints sentences drawn at random from pages, comments and errors: whether they
// need decoding no test can decide.
func TestSentences(t *testing.T) {
	var pages, comments, errors []string
	for page, content := range documents(t) {
		for _, paragraph := range strings.Split(content, "\n\n") {
			if !strings.HasPrefix(paragraph, "|") && !strings.HasPrefix(paragraph, "    ") && !strings.Contains(paragraph, "```") {
				pages = append(pages, sentencesOf(page, paragraph)...)
			}
		}
	}
	for _, name := range goFiles(t) {
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			continue // it is a template or another module's test data
		}
		for _, group := range tree.Comments {
			comments = append(comments, sentencesOf(name, group.Text())...)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if text := errorText(n); text != "" {
				errors = append(errors, name+": "+text)
			}
			return true
		})
	}
	r := rand.New(rand.NewPCG(*sentenceSeed, 5))
	for i := range *sentenceCount {
		from := [][]string{pages, comments, errors}[i%3]
		if len(from) < 100 {
			t.Fatalf("only %d sentences were found", len(from))
		}
		t.Logf("sentence: %s", from[r.IntN(len(from))])
	}
}

var sentenceEnd = regexp.MustCompile(`[.!?]["')]?\s+`)

// sentencesOf are the sentences of a paragraph, each with the file that it stands in.
func sentencesOf(name, paragraph string) (out []string) {
	text := strings.Join(strings.Fields(paragraph), " ")
	for len(text) > 0 {
		end := len(text)
		if at := sentenceEnd.FindStringIndex(text); at != nil {
			end = at[1]
		}
		if s := strings.TrimSpace(text[:end]); strings.Count(s, " ") >= 5 {
			out = append(out, name+": "+s)
		}
		text = text[end:]
	}
	return out
}

// errorText is the text that errors.New or fmt.Errorf is called with, or empty.
func errorText(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !(isPackage(f.X, "errors") && f.Sel.Name == "New" || isPackage(f.X, "fmt") && f.Sel.Name == "Errorf") {
		return ""
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || strings.Count(lit.Value, " ") < 5 {
		return ""
	}
	return strings.Trim(lit.Value, "\"`")
}

// TestSentencesEnd: a sentence ends at a full stop before a space, and not within a number.
func TestSentencesEnd(t *testing.T) {
	got := sentencesOf("x.md", "A row is at most 1.5 MiB and not more. It parks\nits event, which waits for you (see above). Short one.")
	if want := "x.md: A row is at most 1.5 MiB and not more.|x.md: It parks its event, which waits for you (see above)."; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
