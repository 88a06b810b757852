package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestItemsAreToldWithTheirFigures(t *testing.T) {
	steps := func(figure string, err error) step {
		return func(context.Context, options) ([]string, error) { return []string{figure}, err }
	}
	all := []item{
		{"9.1", "what holds", []step{steps("7 of 7", nil)}},
		{"9.2", "what half holds", []step{steps("3 of 3", nil), steps("1 of 4", errors.New("three are missing"))}},
		{"9.3", "what nobody wrote", nil},
	}
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"9.1"}, 0, []string{"PASS  9.1   what holds (0s)\n            7 of 7\n", "1 of 1 items proved\n"}},
		{[]string{"9.2"}, 1, []string{"FAIL  9.2 ", "            3 of 3\n            1 of 4\n            three are missing\n", "0 of 1 items"}},
		{nil, 1, []string{"PASS  9.1 ", "FAIL  9.2 ", "FAIL  9.3 ", "there is nothing yet", "1 of 3 items"}},
		{[]string{"9.4"}, 2, nil},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), c.args, all, &out, io.Discard); code != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, code, c.code)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: does not say %q:\n%s", c.args, want, &out)
			}
		}
	}
}

// What go test -json printed, shortened.
const (
	passed = `{"Action":"output","Test":"TestA","Output":"    a_test.go:7: seed 3: exact\n"}
{"Action":"output","Test":"TestA","Output":"seed 3: exact\n"}
{"Action":"pass","Test":"TestA"}
{"Action":"pass"}
`
	failed = `{"Action":"output","Test":"TestB","Output":"    b_test.go:9: 4, want 5\n"}
{"Action":"fail","Test":"TestB"}
`
	skipped = `{"Action":"skip","Test":"TestA"}
`
	broken = `# example.org/x
{"Action":"build-output","Output":"x/x.go:3:1: syntax error\n"}
`
)

func TestOnlyTestsThatRanAndPassedProve(t *testing.T) {
	for _, c := range []struct{ out, tests, want string }{
		{passed, "TestA", ""},
		{passed, "TestA TestB", "not there yet: ./x has no TestB"},
		{failed, "TestB", "./x TestB: fail\n    b_test.go:9: 4, want 5"},
		{skipped, "TestA", "./x TestA: skip"},
		{broken, "TestA", "has no TestA (x/x.go:3:1: syntax error)"},
	} {
		r, err := readReport([]byte(c.out))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := r.check(testRun{pkg: "./x", tests: strings.Fields(c.tests)}); err != nil {
			got = err.Error()
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestAWholePackageIsProvedByAllOfItsTests(t *testing.T) {
	for _, c := range []struct{ out, want string }{
		{passed, ""},
		{failed, "./x TestB: fail"},
		{passed + skipped, "./x TestA: skip"},
		{`{"Action":"pass"}` + "\n", "./x did not pass"},
		{`{"Action":"pass","Test":"TestA"}` + "\n" + `{"Action":"fail"}` + "\n", "./x did not pass"},
		{broken, "./x did not pass (x/x.go:3:1: syntax error)"},
	} {
		r, err := readReport([]byte(c.out))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := r.check(testRun{pkg: "./x"}); err != nil {
			got = err.Error()
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestFiguresAreTheLinesPicked(t *testing.T) {
	r, err := readReport([]byte(passed))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.figures(regexp.MustCompile(`seed \d+`)); len(got) != 1 || got[0] != "seed 3: exact" {
		t.Errorf("got %q", got)
	}
	if got := r.figures(nil); got != nil {
		t.Errorf("got %q, want none", got)
	}
}

func TestTheDemosSummaryIsChecked(t *testing.T) {
	type lag = struct {
		Rows      int64 `json:"rows"`
		LagEvents int64 `json:"lag_events"`
	}
	type rows = struct {
		Rows int64 `json:"rows"`
	}
	good := func() summary {
		return summary{Events: demoEvents, Views: map[string]lag{"order": {1, 0}}, Cold: map[string]rows{"payments": {1}}, Verified: true}
	}
	if err := good().check(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*summary){
		"wanted at least 20000":         func(s *summary) { s.Events-- },
		"view order is 3 events behind": func(s *summary) { s.Views["order"] = lag{1, 3} },
		"no views or no cold tables":    func(s *summary) { s.Cold = nil },
		"does not say verified":         func(s *summary) { s.Verified = false },
	} {
		s := good()
		spoil(&s)
		if err := s.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestRatiosAreHeldAgainstTheirBounds(t *testing.T) {
	bounds := []bound{atLeast("a/b", 2, 3), atMost("c/d", 1.5, 0)}
	for _, c := range []struct{ out, want string }{
		{"rates\n" + `{"ratios": {"a/b": 2, "c/d": 1.5}}`, ""},
		{`{"ratios": {"a/b": 1.9, "c/d": 1}}`, "a/b                          1.90, wanted at least 2, hoped for 3"},
		{`{"ratios": {"a/b": 9, "c/d": 1.6}}`, "wanted at most 1.5"},
		{`{"ratios": {"c/d": 1}}`, "bench names no a/b"},
		{`done`, "not its JSON"},
	} {
		figures, err := kept(c.out, bounds)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.out, err, c.want)
		}
		if err == nil && len(figures) != len(bounds) {
			t.Errorf("figures %q", figures)
		}
	}
}

// TestItemsOfTheIssues sees that no item is there without steps, or was forgotten.
func TestItemsOfTheIssues(t *testing.T) {
	names := map[string]bool{}
	for _, it := range items {
		names[it.name] = true
		if len(it.steps) == 0 {
			t.Errorf("item %s has no steps", it.name)
		}
	}
	for _, want := range strings.Fields("2.1 2.2 2.3 2.4 2.5 2.6 2.7 2.8 2.9 2.10 3.1 3.2 3.5 3.6 3.7 4.6") {
		if !names[want] {
			t.Errorf("item %s is missing", want)
		}
	}
}

// A fresh user's make is nobody's child: one that is prints the folder that it leaves after
// the demo's last line.
func TestAFreshEnvironmentKnowsNoMake(t *testing.T) {
	for _, name := range []string{"MAKELEVEL", "MAKEFLAGS", "MFLAGS", "READSIDE_POSTGRES_URL"} {
		t.Setenv(name, "1")
	}
	env, err := emptyEnvironment(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "MAKE") || name == "MFLAGS" || strings.HasPrefix(name, "READSIDE_") {
			t.Errorf("it has %s", kv)
		}
	}
}

// A failure shows what the failed tests printed, however much others printed behind it.
func TestTheTailIsOfTheFailedTests(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	line := func(action, test, output string) {
		fmt.Fprintf(&out, `{"Action":%q,"Test":%q,"Output":%q}`+"\n", action, test, output)
	}
	line("output", "TestA/one", "    one_test.go:1: wrong\n")
	line("fail", "TestA/one", "")
	for i := range 2 * tailLines {
		line("output", "TestA/two", fmt.Sprintf("    two_test.go:1: right %d\n", i))
	}
	line("pass", "TestA/two", "")
	r, err := readReport([]byte(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	if tail := r.tail(); !strings.Contains(tail, "wrong") || strings.Contains(tail, "right") {
		t.Errorf("the tail is %s", tail)
	}
}
