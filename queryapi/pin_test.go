package queryapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

// beside adds a second projector with all views, whose only author is named as it is.
func (s *store) beside(name string, place int64) {
	s.t.Helper()
	s.projector(name, place)
	for _, m := range s.set.Views() {
		table := s.owned(name, m, 2, "live")
		if m.Name == "author" {
			s.exec(fmt.Sprintf(`insert into views.%s (author_id, name) values ('a', $1)`, table), name)
		}
	}
}

// readsFrom returns which projector an API reads from, by the author's name, and at
// which place.
func readsFrom(t *testing.T, s *store, a *queryapi.API) (projector string, place int64) {
	t.Helper()
	answer := plain(t, a.Do(context.Background(), queryapi.Request{Query: `{ author(id: "a") { name } books { nodes { id } } }`}))
	if answer["errors"] != nil {
		t.Fatal(answer["errors"])
	}
	f := answer["extensions"].(map[string]any)["freshness"].(map[string]any)
	if f["coherent"] != true {
		t.Fatalf("not coherent: %v", f)
	}
	for place = range int64(100) {
		if f["views"].([]any)[0].(map[string]any)["position"] == s.position(place) {
			break
		}
	}
	return answer["data"].(map[string]any)["author"].(map[string]any)["name"].(string), place
}

func (s *store) move(projector string, place int64) {
	s.t.Helper()
	s.exec(`update readside.projectors set place = $1 where name = $2`, place, projector)
}

func twoProjectors(t *testing.T, first, second int64) *store {
	s := newStore(t)
	s.addAuthor("a", testProjector)
	s.checkpoint(first)
	s.beside("second", second)
	return s
}

func TestOfSeveralProjectorsTheFurthestIsRead(t *testing.T) {
	t.Parallel()
	s := twoProjectors(t, 4, 7)
	if name, place := readsFrom(t, s, s.api(queryapi.Options{})); name != "second" || place != 7 {
		t.Errorf("reads %s at %d, want second at 7", name, place)
	}
	// One of an earlier incarnation of the log is not further, whatever its place.
	s.exec(`update readside.projectors set incarnation = 6 where name = 'second'`)
	if name, _ := readsFrom(t, s, s.api(queryapi.Options{})); name != testProjector {
		t.Errorf("reads %s, which follows another incarnation of the log", name)
	}
}

func TestTheChosenProjectorStaysWhileItWorks(t *testing.T) {
	t.Parallel()
	s := twoProjectors(t, 4, 3)
	a := s.api(queryapi.Options{})
	for _, c := range []struct {
		change        func()
		want, because string
	}{
		{func() {}, testProjector, "it is further"},
		{func() { s.move("second", 9) }, testProjector, "it still works, and the other one may fall behind again"},
		{func() { s.exec(`update readside.leases set expires_at = now() where projector = $1`, testProjector) }, "second", "nobody works for the first any more, and it is behind"},
		{func() { s.move(testProjector, 12) }, "second", "the second works"},
		{func() { s.exec(`update readside.projectors set state = 'halted' where name = 'second'`) }, testProjector, "the second halted, and is behind"},
	} {
		c.change()
		a.LookNow()
		readsFrom(t, s, a) // looks in its own batch; what it found counts from the next on
		if name, _ := readsFrom(t, s, a); name != c.want {
			t.Errorf("reads %s, want %s: %s", name, c.want, c.because)
		}
	}
}

// A view that is lost is read elsewhere at once, the others when the new projector has
// come as far: nobody is sent back.
func TestAProjectorThatLosesAViewIsReplacedWithoutGoingBack(t *testing.T) {
	t.Parallel()
	s := twoProjectors(t, 10, 8)
	a := s.api(queryapi.Options{})
	readsFrom(t, s, a)
	s.exec(`update readside.views set state = 'retired' where projector = $1 and view = 'book'`, testProjector)
	both := queryapi.Request{Query: `{ author(id: "a") { name } books { nodes { id } } }`}
	positions := func() map[string]any {
		out := map[string]any{}
		for _, v := range freshness(t, a.Do(context.Background(), both))["views"].([]any) {
			out[v.(map[string]any)["view"].(string)] = v.(map[string]any)["position"]
		}
		return out
	}
	if p := positions(); p["author"] != s.position(10) || p["book"] != s.position(8) {
		t.Errorf("positions %v, want the author's at 10 still, and the book's at 8", p)
	}
	s.move("second", 11)
	a.LookNow()
	positions()
	if name, place := readsFrom(t, s, a); name != "second" || place != 11 {
		t.Errorf("reads %s at %d, want second at 11", name, place)
	}
}

// A generation of the same version that was made of other definitions is not read:
// its columns may mean something else.
func TestOtherDefinitionsAreNotRead(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := s.api(queryapi.Options{})
	for _, c := range []struct{ fingerprint, version, part string }{
		{"older", "2", "projector main has it with other columns"},
		{s.set.View("book").Fingerprint(), "1", "projector main has version 1"},
	} {
		s.exec(`update readside.views set fingerprint = $1, version = $2 where view = 'book'`, c.fingerprint, c.version)
		code, e := refusalOf(t, a.Do(context.Background(), queryapi.Request{Query: `{ books { nodes { id } } }`}))
		if code != refusal.NotReady || !strings.Contains(e.Message, c.part) {
			t.Errorf("%s %q, want %s with %q", code, e.Message, refusal.NotReady, c.part)
		}
	}
	ask(t, a, `{ authors { nodes { name } } }`)
}

func TestWhatIsBeingBuiltSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.exec(`delete from readside.projectors`)
	a := s.api(queryapi.Options{})
	s.appendEvents(10)
	says := func(part string) {
		t.Helper()
		reasons := strings.Join(a.Ready(context.Background()), "; ")
		if !strings.Contains(reasons, part) {
			t.Errorf("not ready because %q, want %q", reasons, part)
		}
	}
	says("view author has no live generation of version 1: no projector has it")
	s.projector("new", 0)
	for _, m := range s.set.Views() {
		s.owned("new", m, 3, "building")
	}
	s.exec(`insert into readside.builds (projector, until, slices, read) values ('new', 10, 1, 4)`)
	says("view book has no live generation of version 2: projector new has it building, 40 %")
	s.move("new", 10)
	says("99 %")
	s.exec(`update readside.projectors set state = 'halted'`)
	says("projector new halted while it built it")
	s.exec(`update readside.projectors set state = 'live'`)
	s.exec(`update readside.views set state = 'live'`)
	if reasons := a.Ready(context.Background()); len(reasons) > 0 {
		t.Errorf("built, and not ready: %v", reasons)
	}
}

// A projector that builds a view anew for another one serves nobody, even further on.
func TestARebuildIsNotRead(t *testing.T) {
	t.Parallel()
	s := twoProjectors(t, 4, 9)
	s.exec(`update readside.projectors set rebuilds = $1 where name = 'second'`, testProjector)
	if name, _ := readsFrom(t, s, s.api(queryapi.Options{})); name != testProjector {
		t.Errorf("reads %s, which is a rebuild", name)
	}
}
