package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// outcome is how a mutant ended.
type outcome string

const (
	killed   outcome = "killed"
	survived outcome = "SURVIVED"
	// The others say that nothing was learned.
	unhealthy outcome = "TEST FAILS WITHOUT IT"
	noApply   outcome = "DOES NOT APPLY"
	noBuild   outcome = "DOES NOT BUILD"
	noTest    outcome = "NO SUCH TEST"
	timedOut  outcome = "TIMED OUT"
)

// verdict is an outcome and what explains it.
type verdict struct {
	outcome outcome
	detail  string
}

// baseline runs every named test without a mutant and returns which pass.
func (w *worktree) baseline(ctx context.Context, mutants []mutant, limit time.Duration) (map[target]bool, error) {
	healthy := map[target]bool{}
	for _, m := range mutants {
		if _, known := healthy[m.target]; known {
			continue
		}
		v, err := w.test(ctx, m.target, limit)
		if err != nil {
			return nil, err
		}
		// A test that is not there is told when its mutant's turn comes.
		healthy[m.target] = v.outcome == survived || v.outcome == noTest
	}
	return healthy, nil
}

// try applies a mutant and runs its test.
func (w *worktree) try(ctx context.Context, m mutant, limit time.Duration) (verdict, error) {
	if err := w.reset(ctx); err != nil {
		return verdict{}, err
	}
	if complaint := w.apply(ctx, m.file); complaint != "" {
		return verdict{noApply, complaint}, ctx.Err()
	}
	return w.test(ctx, m.target, limit)
}

// test runs one test. A mutant under which it passes survives.
func (w *worktree) test(ctx context.Context, t target, limit time.Duration) (verdict, error) {
	if out, err := w.goTool(ctx, "test", "-run", "^$", "-exec", "true", t.pkg); err != nil {
		return verdict{noBuild, firstComplaint(out)}, ctx.Err()
	}
	out, err := w.goTool(ctx, "test", "-json", "-count=1", "-timeout", limit.String(), "-run", "^"+t.test+"$", t.pkg)
	if ctx.Err() != nil {
		return verdict{}, ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return verdict{}, fmt.Errorf("run go test: %w", err)
	}
	return judge(out, t.test), nil
}

// testEvent is a line of go test -json.
type testEvent struct{ Action, Test, Output string }

// judge reads what go test -json printed about one test.
func judge(out []byte, test string) verdict {
	v := verdict{noTest, "go test knows no " + test}
	for line := range bytes.Lines(out) {
		var e testEvent
		if json.Unmarshal(line, &e) != nil {
			continue // the go tool's own words
		}
		if timedOutIn([]byte(e.Output)) {
			return verdict{timedOut, "give the test a bound of its own"}
		}
		if name, _, _ := strings.Cut(e.Test, "/"); name != test {
			continue
		}
		switch {
		case e.Action == "fail":
			return verdict{killed, test}
		case e.Action == "pass" && e.Test == test:
			v = verdict{survived, "under " + test}
		}
	}
	return v
}

// timedOutIn reports whether go test ended tests that took too long.
func timedOutIn(out []byte) bool { return bytes.Contains(out, []byte("panic: test timed out")) }

// firstComplaint is the compiler's first line that is no package's title.
func firstComplaint(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return "go test says nothing"
}
