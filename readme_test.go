package readside_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")
	stepOf  = regexp.MustCompile(`(?m)^### (\d+)\. `)
)

// TestReadmeStepsAreTheExamples sees that the README's own view is the example's, which
// its tests run: each block's lines stand in one of its files, in that order.
func TestReadmeStepsAreTheExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("examples/conference/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no example: %v", err)
	}
	var sources []string
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, string(src))
	}
	blocks := goBlock.FindAllStringSubmatch(string(readme), -1)
	if steps := len(stepOf.FindAllString(string(readme), -1)); steps > 6 || steps != len(blocks) {
		t.Errorf("the README has %d steps and %d blocks of Go, want one for each of at most 6", steps, len(blocks))
	}
	for i, b := range blocks {
		missing := ""
		for _, src := range sources {
			if missing = firstMissing(b[1], src); missing == "" {
				break
			}
		}
		if missing != "" {
			t.Errorf("step %d: no file of examples/conference has, in this order, the line %q", i+1, missing)
		}
	}
}

// firstMissing is the first line of block that does not follow in src; spaces within
// lines do not count, since gofmt aligns by neighbours.
func firstMissing(block, src string) string {
	lines := strings.Split(src, "\n")
	at := 0
	for want := range strings.Lines(block) {
		for at < len(lines) && !sameLine(lines[at], want) {
			at++
		}
		if at == len(lines) {
			return strings.TrimSpace(want)
		}
		at++
	}
	return ""
}

func sameLine(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}
