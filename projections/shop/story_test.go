package shop

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
	"github.com/readside/readside/writemodels/contract"
)

var rewrite = flag.Bool("rewrite", false, "write the rows that the stories in testdata give")

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
	// Times are fixed before events are shuffled: an event takes its time along.
	for i, e := range projectiontest.Story(typed(s.events)...) {
		s.events[i].Time = e.Meta.Time
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

func render(t *testing.T, rows []*projections.Row) string {
	t.Helper()
	var b bytes.Buffer
	for _, r := range rows {
		fmt.Fprintf(&b, "%s %s\n", r.Key, r.State)
		e := json.NewEncoder(&b)
		e.SetIndent("  ", "  ")
		b.WriteString("  ")
		if err := e.Encode(r.Value); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// Given these events, then these rows.
func TestStories(t *testing.T) {
	t.Parallel()
	set := mustSet(t)
	told := map[string]bool{}
	for _, s := range stories(t, set) {
		told[s.view] = true
		t.Run(s.view, func(t *testing.T) {
			got := render(t, projectiontest.Fold(t, set, typed(s.events)...)[s.view])
			if *rewrite {
				if err := os.WriteFile(s.path, []byte(s.text+dashes+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(s.rows, got); diff != "" {
				t.Errorf("the rows are not those of %s (-rewrite accepts them):\n%s", s.path, diff)
			}
		})
	}
	for _, m := range set.Views() {
		if !told[m.Name] {
			t.Errorf("view %s has no story in testdata", m.Name)
		}
	}
}

// Whichever stream's events come first, the rows are the same.
func TestStoriesInEveryInterleaving(t *testing.T) {
	t.Parallel()
	set := mustSet(t)
	const interleavings = 100
	for _, s := range stories(t, set) {
		want := render(t, projectiontest.Fold(t, set, typed(s.events)...)[s.view])
		r := rand.New(rand.NewPCG(1, 1))
		for range interleavings {
			shuffled := interleave(r, s.events)
			got := render(t, projectiontest.Fold(t, set, typed(shuffled)...)[s.view])
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s: another interleaving of the streams gives other rows:\n%s", s.path, diff)
			}
		}
	}
}

// interleave shuffles events, each stream in its own order.
func interleave(r *rand.Rand, events []projectiontest.At) []projectiontest.At {
	streams := map[string][]projectiontest.At{}
	var order []string
	for _, e := range events {
		streams[e.Stream] = append(streams[e.Stream], e)
		order = append(order, e.Stream)
	}
	slices.Sort(order)
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	out := make([]projectiontest.At, len(events))
	for i, stream := range order {
		out[i], streams[stream] = streams[stream][0], streams[stream][1:]
	}
	return out
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
