package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// testRun is a run of tests of one package.
type testRun struct {
	pkg string
	// module is the folder of the module that pkg is in; empty is the repository's own.
	module string
	// tests must all be there and pass; none are all tests of the package.
	tests []string
	// env is added to the environment.
	env []string
	// args go to the test binary; "{seed}" stands for the seed.
	args []string
	// figure picks the lines of output that are figures; nil picks none.
	figure *regexp.Regexp
	limit  time.Duration
}

const testLimit = 20 * time.Minute

// tests is the step that runs them.
func tests(r testRun) step {
	return func(ctx context.Context, o options) ([]string, error) {
		out, err := r.run(ctx, o)
		if err != nil {
			return nil, err
		}
		report, err := readReport(out)
		if err != nil {
			return nil, err
		}
		return report.figures(r.figure), report.check(r)
	}
}

// interruptWait is how long interrupted tests have for stopping their stores.
const interruptWait = 20 * time.Second

func (r testRun) run(ctx context.Context, o options) ([]byte, error) {
	limit := r.limit
	if limit == 0 {
		limit = testLimit
	}
	args := []string{"test", "-json", "-count=1", "-timeout", limit.String()}
	if len(r.tests) > 0 {
		args = append(args, "-run", "^("+strings.Join(r.tests, "|")+")$")
	}
	args = append(args, r.pkg)
	if len(r.args) > 0 {
		args = append(args, "-args")
		for _, a := range r.args {
			args = append(args, strings.ReplaceAll(a, "{seed}", strconv.FormatUint(o.seed, 10)))
		}
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(o.repo, r.module)
	cmd.Env = append(os.Environ(), r.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = interruptWait
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("run go test %s: %w", r.pkg, err)
	}
	return out, ctx.Err()
}

// report is what go test -json said.
type report struct {
	outcome map[string]string // of tests: pass, fail or skip
	whole   string            // of the package
	lines   []string          // output of tests
	of      []string          // the test of each line
	other   []string          // output of the package and of the go tool
}

func readReport(out []byte) (*report, error) {
	r := &report{outcome: map[string]string{}}
	for line := range bytes.Lines(out) {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(line, &e) != nil {
			r.other = append(r.other, strings.TrimSpace(string(line)))
			continue
		}
		switch {
		case e.Output != "" && e.Test != "":
			r.lines, r.of = append(r.lines, strings.TrimRight(e.Output, "\n")), append(r.of, e.Test)
		case e.Output != "":
			r.other = append(r.other, strings.TrimSpace(e.Output))
		case e.Test != "" && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
			r.outcome[e.Test] = e.Action
		case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
			r.whole = e.Action
		}
	}
	if len(out) == 0 {
		return nil, errors.New("go test said nothing")
	}
	return r, nil
}

func (r *report) figures(pick *regexp.Regexp) []string {
	if pick == nil {
		return nil
	}
	var figures []string
	for _, line := range r.lines {
		if !pick.MatchString(line) {
			continue
		}
		// A line that a test both logs and prints is one figure.
		if f := strings.TrimSpace(logPlace.ReplaceAllString(line, "")); !slices.Contains(figures, f) {
			figures = append(figures, f)
		}
	}
	return figures
}

// logPlace is where t.Log says it stands.
var logPlace = regexp.MustCompile(`^\s*[a-z0-9_]+_test\.go:\d+: `)

// check returns an error for each test that is not there or did not pass.
func (r *report) check(run testRun) error {
	if len(run.tests) == 0 {
		return r.checkAll(run.pkg)
	}
	var errs []error
	for _, test := range run.tests {
		switch outcome := r.outcome[test]; outcome {
		case "pass":
		case "":
			errs = append(errs, fmt.Errorf("not there yet: %s has no %s%s", run.pkg, test, r.why()))
		default:
			errs = append(errs, fmt.Errorf("%s %s: %s\n%s", run.pkg, test, outcome, r.tail()))
		}
	}
	return errors.Join(errs...)
}

// checkAll returns an error unless the package has tests and all of them passed.
func (r *report) checkAll(pkg string) error {
	var errs []error
	for _, test := range slices.Sorted(maps.Keys(r.outcome)) {
		if outcome := r.outcome[test]; outcome != "pass" {
			errs = append(errs, fmt.Errorf("%s %s: %s", pkg, test, outcome))
		}
	}
	if r.whole != "pass" || len(r.outcome) == 0 {
		errs = append(errs, fmt.Errorf("%s did not pass%s\n%s", pkg, r.why(), r.tail()))
	}
	return errors.Join(errs...)
}

// passed is how many tests passed, those within tests not counted.
func (r *report) passed() (n int) {
	for test, outcome := range r.outcome {
		if outcome == "pass" && !strings.Contains(test, "/") {
			n++
		}
	}
	return n
}

const tailLines = 60

// tail is the end of what the failed tests printed, those within them included, or of all
// output where none failed.
func (r *report) tail() string {
	var failed []string
	for i, line := range r.lines {
		if r.outcome[r.of[i]] == "fail" && !strings.HasPrefix(strings.TrimSpace(line), "=== ") {
			failed = append(failed, line)
		}
	}
	if len(failed) == 0 {
		failed = r.lines
	}
	return strings.Join(failed[max(0, len(failed)-tailLines):], "\n")
}

// why is the go tool's first complaint, if it had one: a package that does not build
// has no tests either.
func (r *report) why() string {
	for _, line := range r.other {
		if line != "" && !strings.HasPrefix(line, "#") && (strings.Contains(line, ".go:") || strings.Contains(line, "no required module") || strings.Contains(line, "directory not found")) {
			return " (" + line + ")"
		}
	}
	return ""
}
