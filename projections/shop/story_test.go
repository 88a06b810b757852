package shop

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
	"github.com/readside/readside/writemodels/contract"
)

var (
	rewrite     = flag.Bool("rewrite", false, "write the rows that the stories in testdata give, and views.lock")
	sameVersion = flag.Bool("same-version", false, "with -rewrite: also where a view gives other rows at an unchanged version")
)

// A story is events, a line of dashes, and the rows that one view makes of them. The
// file's name is the view's.
//
//	stream  type  {json}
//	----
//	key  state
//	  {json}
type story struct {
	path   string
	view   string
	events []projectiontest.At
	text   string // the events as they stand in the file
	rows   string
}

const dashes = "----\n"

func stories(t *testing.T, set *projections.Set) []story {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories in testdata: %v", err)
	}
	out := make([]story, len(paths))
	for i, path := range paths {
		out[i] = readStory(t, set, path)
	}
	return out
}

func readStory(t *testing.T, set *projections.Set, path string) story {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := story{path: path, view: strings.TrimSuffix(filepath.Base(path), ".txt")}
	s.text, s.rows, _ = strings.Cut(string(content), dashes)
	for n, line := range strings.Split(s.text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 {
			t.Fatalf("%s:%d: a line is: stream type {json}", path, n+1)
		}
		s.events = append(s.events, projectiontest.At{Stream: fields[0], Event: decodeContract(t, set, path, n+1, fields[1], fields[2])})
	}
	return s
}

func decodeContract(t *testing.T, set *projections.Set, path string, line int, name, data string) contract.Event {
	t.Helper()
	for _, e := range contract.All() {
		if n, version := e.EventType(); n == name {
			v, err := set.Route(name).Decode(version, []byte(data))
			if err != nil {
				t.Fatalf("%s:%d: %v", path, line, err)
			}
			return v.(contract.Event)
		}
	}
	t.Fatalf("%s:%d: there is no event type %s", path, line, name)
	return nil
}

// Given these events, then these rows; and other rows only at another version.
func TestStories(t *testing.T) {
	t.Parallel()
	set := mustSet(t)
	told, outputs := stories(t, set), map[string]string{}
	for _, s := range told {
		outputs[s.view] = projectiontest.Text(projectiontest.Fold(t, set, typed(s.events)...)[s.view])
	}
	projectiontest.Lock(t, set, "views.lock", outputs, accepted(t))
	refused := t.Failed()
	for _, s := range told {
		got := outputs[s.view]
		if !*rewrite {
			if diff := cmp.Diff(s.rows, got); diff != "" {
				t.Errorf("the rows are not those of %s (-rewrite accepts them):\n%s", s.path, diff)
			}
			continue
		}
		if refused {
			continue // what is refused is not written down anywhere
		}
		if err := os.WriteFile(s.path, []byte(s.text+dashes+got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func accepted(t *testing.T) projectiontest.Accept {
	t.Helper()
	switch {
	case *rewrite && *sameVersion:
		return projectiontest.AcceptSameVersions
	case *rewrite:
		return projectiontest.AcceptNewVersions
	case *sameVersion:
		t.Fatal("-same-version says what -rewrite accepts: give both")
	}
	return projectiontest.AcceptNothing
}

// Whichever stream's events come first, the rows are the same.
func TestStoriesInEveryInterleaving(t *testing.T) {
	t.Parallel()
	set := mustSet(t)
	for _, s := range stories(t, set) {
		projectiontest.Interleavings(t, set, typed(s.events)...)
		projectiontest.Twice(t, set, typed(s.events)...)
	}
}

func mustSet(t *testing.T) *projections.Set {
	t.Helper()
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func typed(events []projectiontest.At) []eventlog.Typed {
	out := make([]eventlog.Typed, len(events))
	for i, e := range events {
		out[i] = e
	}
	return out
}
