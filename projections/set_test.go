package projections_test

import (
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/inmemory"
	"github.com/readside/readside/projections"
)

type made struct{ ID string }
type changed struct{ ID, Text string }
type ended struct{ ID string }

func (made) EventType() (string, int)    { return "test.Made", 1 }
func (changed) EventType() (string, int) { return "test.Changed", 1 }
func (ended) EventType() (string, int)   { return "test.Ended", 1 }

// otherMade handles the same event type with another Go type.
type otherMade struct{ ID string }

func (otherMade) EventType() (string, int) { return "test.Made", 1 }

func creates[R any]() []projections.Handler[R] {
	return []projections.Handler[R]{
		projections.Create(func(e made) string { return e.ID }, func(*R, made, projections.Meta) error { return nil }),
	}
}

type plain struct {
	ID   string `view:"id,key"`
	Text string `view:"text"`
}

// Every fault is reported, all at once, each with what and where.
func TestNewSetNamesEveryFault(t *testing.T) {
	t.Parallel()
	type noKey struct {
		Text string `view:"text"`
	}
	type twoKeys struct {
		A string `view:"a,key"`
		B string `view:"b,key"`
	}
	type badColumns struct {
		ID       string `view:"id,key"`
		Untagged string
		Upper    string          `view:"Upper"`
		Twice    string          `view:"id"`
		Option   string          `view:"option,indexed"`
		Chan     chan int        `view:"chan"`
		Pointer  *[]int          `view:"pointer"`
		Lossy    struct{ a int } `view:"lossy"`
		Big      []int           `view:"big,index"`
	}
	type joins struct {
		ID   string `view:"id,key"`
		On   string `view:"on"`
		Name string `view:"name,join"`
		Lost string `view:"lost,join"`
	}
	outside := &projections.View[plain]{Name: "outside", Version: 1, Handlers: creates[plain]()}
	inside := &projections.View[plain]{Name: "inside", Version: 1, Handlers: creates[plain]()}
	_, err := projections.NewSet(
		&projections.View[noKey]{Name: "no_key", Version: 1, Handlers: creates[noKey]()},
		&projections.View[twoKeys]{Name: "two_keys", Version: 1, Handlers: creates[twoKeys]()},
		&projections.View[badColumns]{Name: "bad_columns", Version: 1, Handlers: creates[badColumns]()},
		&projections.View[plain]{Name: "No Name", Version: 1, Handlers: creates[plain]()},
		&projections.View[plain]{Name: "no_version", Handlers: creates[plain]()},
		&projections.View[plain]{Name: "no_handlers", Version: 1},
		&projections.View[joins]{Name: "joins", Version: 1, Handlers: creates[joins](), Joins: []projections.Join[joins]{
			projections.Copy[joins](inside, "nowhere", "name=text"),
			projections.Copy[joins](inside, "on", "name=missing"),
			projections.Copy[joins](outside, "on", "name=text"),
			projections.Copy[joins](inside, "on"),
		}},
		inside, &projections.View[plain]{Name: "inside", Version: 1, Handlers: creates[plain]()},
		&projections.View[plain]{Name: "other_type", Version: 1, Handlers: []projections.Handler[plain]{
			projections.Create(func(e otherMade) string { return e.ID }, func(*plain, otherMade, projections.Meta) error { return nil }),
		}},
	)
	if err == nil {
		t.Fatal("a set full of faults was accepted")
	}
	for _, want := range []string{
		"view no_key: no field is the key", "view two_keys: field B: a second key",
		"Untagged has no view tag", `"Upper" is no column name`, `two columns "id"`, `unknown option "indexed"`,
		"chan int cannot be a column", "a pointer to []int cannot be a column", "would not come back from json",
		"a json column can be neither index nor order",
		`view "No Name"`, "view no_version: Version is 0", "view no_handlers has no handlers", "view no_handlers: no handler creates",
		`"nowhere" is not an own, plain string column`, `inside has no column "missing"`, "joins a view that is not in the set", "it names no columns",
		"column lost is marked join and no join writes it", "view inside: the set has two definitions of this name",
		"view other_type handles event type test.Made as projections_test.otherMade",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestCyclicJoinsAreRefused(t *testing.T) {
	t.Parallel()
	type row struct {
		ID   string `view:"id,key"`
		On   string `view:"on"`
		Name string `view:"name,join"`
	}
	a := &projections.View[row]{Name: "a", Version: 1, Handlers: creates[row]()}
	b := &projections.View[row]{Name: "b", Version: 1, Handlers: creates[row]()}
	a.Joins = []projections.Join[row]{projections.Copy[row](b, "on", "name")}
	b.Joins = []projections.Join[row]{projections.Copy[row](a, "on", "name")}
	if _, err := projections.NewSet(a, b); err == nil || !strings.Contains(err.Error(), "cycles") {
		t.Errorf("NewSet answered %v", err)
	}
}

// The fingerprint follows what the stored rows depend on.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	fingerprint := func(v projections.Definition, others ...projections.Definition) string {
		t.Helper()
		set, err := projections.NewSet(append(others, v)...)
		if err != nil {
			t.Fatal(err)
		}
		return set.Views()[len(set.Views())-1].Fingerprint()
	}
	type wider struct {
		ID   string `view:"id,key"`
		Text string `view:"text,index"`
	}
	base := fingerprint(&projections.View[plain]{Name: "v", Version: 1, Handlers: creates[plain]()})
	if again := fingerprint(&projections.View[plain]{Name: "v", Version: 1, Doc: "x", Handlers: creates[plain]()}); again != base {
		t.Error("a comment changes the fingerprint")
	}
	if other := fingerprint(&projections.View[wider]{Name: "v", Version: 1, Handlers: creates[wider]()}); other == base {
		t.Error("an index does not change the fingerprint")
	}
	more := append(creates[plain](), projections.Delete[plain](func(e ended) string { return e.ID }))
	if other := fingerprint(&projections.View[plain]{Name: "v", Version: 1, Handlers: more}); other == base {
		t.Error("a handler does not change the fingerprint")
	}
}

// The life of a row, step by step.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	view := &projections.View[plain]{Name: "v", Version: 1, Handlers: []projections.Handler[plain]{
		projections.Create(func(e made) string { return e.ID }, func(*plain, made, projections.Meta) error { return nil }),
		projections.Update(func(e changed) string { return e.ID },
			func(p *plain, e changed, _ projections.Meta) error { p.Text += e.Text; return nil }),
		projections.Delete[plain](func(e ended) string { return e.ID }),
	}}
	set, err := projections.NewSet(view)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		events []eventlog.Typed
		state  projections.State
		text   string
	}{
		"created":                       {[]eventlog.Typed{made{"k"}}, projections.Live, ""},
		"changed":                       {[]eventlog.Typed{made{"k"}, changed{"k", "a"}}, projections.Live, "a"},
		"changed before created":        {[]eventlog.Typed{changed{"k", "a"}}, projections.Unborn, "a"},
		"born with what came before":    {[]eventlog.Typed{changed{"k", "a"}, made{"k"}, changed{"k", "b"}}, projections.Live, "ab"},
		"deleted":                       {[]eventlog.Typed{made{"k"}, changed{"k", "a"}, ended{"k"}}, projections.Deleted, ""},
		"a late update does not revive": {[]eventlog.Typed{made{"k"}, ended{"k"}, changed{"k", "a"}}, projections.Deleted, ""},
		"nor does a late create":        {[]eventlog.Typed{ended{"k"}, made{"k"}}, projections.Deleted, ""},
	} {
		memory := inmemory.New(set)
		var events []projections.Event
		for _, e := range c.events {
			name, _ := e.EventType()
			events = append(events, projections.Event{Route: set.Route(name), Value: e})
		}
		if err := memory.Apply(events); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := memory.Row(0, "k")
		if r.State != c.state || r.Value.(*plain).Text != c.text {
			t.Errorf("%s: %s with %q, not %s with %q", name, r.State, r.Value.(*plain).Text, c.state, c.text)
		}
	}
}

// A handler that writes what only joins may write, changes its key, or panics is a
// fault that says which row and which event.
func TestHandlersFaults(t *testing.T) {
	t.Parallel()
	type row struct {
		ID   string `view:"id,key"`
		On   string `view:"on"`
		Name string `view:"name,join"`
	}
	source := &projections.View[plain]{Name: "source", Version: 1, Handlers: creates[plain]()}
	for want, fold := range map[string]func(*row){
		"marked join":           func(r *row) { r.Name = "x" },
		"changed the row's key": func(r *row) { r.ID = "x" },
		"panic: boom":           func(*row) { panic("boom") },
	} {
		set, err := projections.NewSet(source, &projections.View[row]{Name: "v", Version: 1,
			Handlers: []projections.Handler[row]{projections.Create(func(e changed) string { return e.ID },
				func(r *row, _ changed, _ projections.Meta) error { fold(r); return nil })},
			Joins: []projections.Join[row]{projections.Copy[row](source, "on", "name=text")},
		})
		if err != nil {
			t.Fatal(err)
		}
		err = inmemory.New(set).Apply([]projections.Event{{Route: set.Route("test.Changed"), Value: changed{ID: "k"}}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `view v, key "k"`) {
			t.Errorf("%s: the fold answered %v", want, err)
		}
	}
}

// A join by a function sees the columns that it names, and the others at zero.
func TestFunctionsSeeOnlyWhatTheyRead(t *testing.T) {
	t.Parallel()
	type source struct {
		ID string `view:"id,key"`
		A  string `view:"a"`
		B  string `view:"b"`
	}
	type row struct {
		ID   string `view:"id,key"`
		Seen string `view:"seen,join"`
	}
	sources := &projections.View[source]{Name: "source", Version: 1, Handlers: []projections.Handler[source]{
		projections.Create(func(e made) string { return e.ID }, func(s *source, _ made, _ projections.Meta) error { s.A, s.B = "a", "b"; return nil }),
	}}
	rows := func(reads ...string) *projections.View[row] {
		return &projections.View[row]{Name: "row", Version: 1, Handlers: creates[row](), Joins: []projections.Join[row]{
			projections.JoinOn(sources, func(r *row) []string { return []string{r.ID} }, func(r *row, get func(string) *source) {
				if s := get(r.ID); s != nil {
					r.Seen = s.ID + s.A + s.B
				}
			}, reads...),
		}}
	}
	for want, reads := range map[string][]string{"kab": nil, "ka": {"a"}, "kb": {"b"}} {
		set, err := projections.NewSet(sources, rows(reads...))
		if err != nil {
			t.Fatal(err)
		}
		memory := inmemory.New(set)
		if err := memory.Apply([]projections.Event{{Route: set.Route("test.Made"), Value: made{"k"}}}); err != nil {
			t.Fatal(err)
		}
		joined, err := memory.Joined()
		if err != nil {
			t.Fatal(err)
		}
		if got := joined[1][0].Value.(*row).Seen; got != want {
			t.Errorf("a join that reads %v saw %q, not %q", reads, got, want)
		}
	}
	if _, err := projections.NewSet(sources, rows("missing")); err == nil || !strings.Contains(err.Error(), `source has no column "missing"`) {
		t.Errorf("NewSet answered %v", err)
	}
}
