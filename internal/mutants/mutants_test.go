package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The little module that the tests mutate.
var littleModule = map[string]string{
	"go.mod":     "module little\n\ngo 1.26\n",
	"sum/sum.go": "// Package sum adds.\npackage sum\n\n// Of adds.\nfunc Of(a, b int) int {\n\treturn a + b\n}\n",
	"sum/sum_test.go": `package sum

import "testing"

func TestOf(t *testing.T) {
	t.Run("two", func(t *testing.T) {
		if Of(1, 2) != 3 {
			t.Error("1 + 2")
		}
	})
}

func TestRed(t *testing.T) { t.Error("always") }

func TestHang(t *testing.T) {
	if Of(0, 0) != 0 {
		select {}
	}
}
`,
}

// patch is a mutant of the little module: its return statement replaced.
func patch(test, replacement string) string {
	return "# Why: to see\n# Test: ./sum " + test + `
diff --git a/sum/sum.go b/sum/sum.go
--- a/sum/sum.go
+++ b/sum/sum.go
@@ -3,5 +3,5 @@
 
 // Of adds.
 func Of(a, b int) int {
-	return a + b
+	` + replacement + `
 }
`
}

func newRepo(t *testing.T, patches map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range littleModule {
		write(t, filepath.Join(dir, name), content)
	}
	inRepo(t, dir, "init", "-q")
	commit(t, dir)
	for name, content := range patches {
		write(t, filepath.Join(dir, "testdata/mutants", name+".patch"), content)
	}
	return dir
}

// commit commits all that is there.
func commit(t *testing.T, dir string) {
	t.Helper()
	inRepo(t, dir, "add", ".")
	inRepo(t, dir, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "little")
}

func inRepo(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryOutcomeIsTold(t *testing.T) {
	repo := newRepo(t, map[string]string{
		"a-killed":    patch("TestOf", "return a - b"),
		"b-survives":  patch("TestOf", "return b + a"),
		"c-no-apply":  strings.Replace(patch("TestOf", "return 0"), "-\treturn a + b", "-\treturn a * b", 1),
		"d-no-build":  patch("TestOf", "return nobody"),
		"e-no-test":   patch("TestNobody", "return 1"),
		"f-unhealthy": patch("TestRed", "return 1"),
		"g-timed-out": patch("TestHang", "return 1"),
	})
	var out bytes.Buffer
	notKilled, err := contest(t.Context(), config{repo: repo, patches: "testdata/mutants", limit: 5 * time.Second}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if notKilled != 6 {
		t.Errorf("%d not killed, want 6", notKilled)
	}
	for _, want := range []string{
		"a-killed     killed by TestOf ",
		"b-survives   SURVIVED ", "under TestOf (to see)",
		"c-no-apply   DOES NOT APPLY ", "error: patch failed: sum/sum.go:3",
		"d-no-build   DOES NOT BUILD ", "sum/sum.go:6:9: undefined: nobody",
		"e-no-test    NO SUCH TEST ", "TestNobody",
		"f-unhealthy  TEST FAILS WITHOUT IT ", "./sum TestRed",
		"g-timed-out  TIMED OUT ",
		"1 killed, 6 not\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, &out)
		}
	}
	leavesNothing(t, repo)
}

// leavesNothing checks that git knows of no worktree but the repository's own.
func leavesNothing(t *testing.T, repo string) {
	t.Helper()
	listed, err := git(t.Context(), repo, "worktree", "list")
	if err != nil || strings.Count(strings.TrimSpace(listed), "\n") != 0 {
		t.Errorf("worktrees left: %v\n%s", err, listed)
	}
}

func TestExitCodes(t *testing.T) {
	repo := newRepo(t, map[string]string{
		"killed":   patch("TestOf", "return a - b"),
		"survives": patch("TestOf", "return b + a"),
	})
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{"killed"}, 0, ""},
		{[]string{"survives"}, 1, "1 not killed"},
		{[]string{"nobody"}, 1, `no mutant "nobody"`},
		{[]string{"-nothing"}, 2, "not defined"},
	} {
		var out, errs bytes.Buffer
		args := c.args
		if c.args[0] != "-nothing" {
			args = append([]string{"-repo", repo}, c.args...)
		}
		if got := run(t.Context(), args, &out, &errs); got != c.want || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%v: exit code %d, says %q, want %d, %q", c.args, got, errs.String(), c.want, c.says)
		}
	}
}

func TestFaultsOfHeadersAreToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "p/one.patch"), "# Test: ./sum TestOf\n")
	write(t, filepath.Join(dir, "p/two.patch"), "# Why: because\n# Test: sum Of\n")
	_, err := readMutants(config{repo: dir, patches: "p"})
	if err == nil || !strings.Contains(err.Error(), "# Why:") || !strings.Contains(err.Error(), "# Test: ./package") {
		t.Errorf("got %v", err)
	}
}

// littleSample draws every break of the little module.
func littleSample(t *testing.T, repo string) sampleConfig {
	return sampleConfig{
		parallel: 2,
		repo:     repo, count: 10, limit: time.Minute, suites: []suite{{"./sum", []string{"./sum"}}},
		rooms: []string{"./sum"}, kept: filepath.Join(t.TempDir(), "reach.json"),
	}
}

func TestASampleCountsWhatTestsNotice(t *testing.T) {
	repo := newRepo(t, nil)
	write(t, filepath.Join(repo, "sum/sum_test.go"), `package sum

import "testing"

func TestOf(t *testing.T) {
	if Of(1, 2) != 3 {
		t.Error("1 + 2")
	}
}
`)
	write(t, filepath.Join(repo, "sum/other.go"), `package sum

// Unseen is called by no test.
func Unseen(a, b int) int { return a * b }
`)
	commit(t, repo)
	var out bytes.Buffer
	cfg := littleSample(t, repo)
	got, err := sample(t.Context(), cfg, &out)
	if err != nil {
		t.Fatal(err)
	}
	if want := (tally{killed: 1, survived: 1}); got != want {
		t.Errorf("got %+v, want %+v:\n%s", got, want, &out)
	}
	for _, want := range []string{"sum/sum.go:6: + → -; TestOf\n", "SURVIVED", "sum/other.go:4: * → /: no test reaches it\n", "50 % noticed", "./sum: 1 tests, each in a process of its own"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the lines do not say %q:\n%s", want, &out)
		}
	}
	out.Reset()
	cfg.from = 1
	got, err = sample(t.Context(), cfg, &out)
	if err != nil || got.all() != 1 {
		t.Errorf("from the second on: %+v, %v, want one", got, err)
	}
	if strings.Contains(out.String(), "each in a process") {
		t.Errorf("what the tests reach was measured a second time:\n%s", &out)
	}
	leavesNothing(t, repo)
}

func TestASampleNeedsHealthyTests(t *testing.T) {
	repo := newRepo(t, nil) // TestRed always fails
	_, err := sample(t.Context(), littleSample(t, repo), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "the tests of ./sum fail without a break") {
		t.Errorf("got %v", err)
	}
}
