package queryapi

import (
	"testing"

	"pgregory.net/rapid"
)

// moving is a projector as it goes: it moves or stands still, gains views and loses them.
type moving struct {
	name  string
	place int64
	has   []bool
	idle  bool
}

// Projectors come, go, move and stand still. Whatever they do, every view that somebody
// has is read, no view goes back while its projector has it, and all views are read from
// one projector if one has them all and has come as far as what is read.
func TestChoiceNeverGoesBack(t *testing.T) {
	t.Parallel()
	views := []*view{{keyName: "a"}, {keyName: "b"}, {keyName: "c"}}
	rapid.Check(t, func(t *rapid.T) {
		projectors := []*moving{{name: "p"}, {name: "q"}, {name: "r"}}
		for _, p := range projectors {
			p.place = rapid.Int64Range(0, 5).Draw(t, "place")
			p.has = rapid.SliceOfN(rapid.Bool(), len(views), len(views)).Draw(t, "has")
		}
		var before choice
		for range 50 {
			for _, p := range projectors {
				p.step(t)
			}
			found := candidatesOf(views, projectors)
			after := choose(views, found, before)
			checkChoice(t, views, found, before, after)
			before = after
		}
	})
}

// What is read stands still and is outdone; it loses one view. The projector that has all
// views has not come as far: it is read for the view that was lost, and for no other.
func TestAViewThatIsLostTakesNoOtherBack(t *testing.T) {
	t.Parallel()
	views := []*view{{keyName: "a"}, {keyName: "b"}}
	p := &moving{name: "p", place: 5, has: []bool{true, true}, idle: true}
	others := []*moving{p, {name: "q", place: 9, has: []bool{false, true}}, {name: "r", place: 3, has: []bool{true, true}}}
	before := choose(views, candidatesOf(views, []*moving{p}), nil)
	p.has[0] = false
	after := choose(views, candidatesOf(views, others), before)
	if a, b := after[views[0]], after[views[1]]; a.projector != "r" || b.projector != "q" {
		t.Errorf("a is read from %+v, b from %+v, want r and q", *a, *b)
	}
}

func (p *moving) step(t *rapid.T) {
	if p.idle = rapid.Bool().Draw(t, "idle"); !p.idle {
		p.place += rapid.Int64Range(0, 3).Draw(t, "moves")
	}
	if i := rapid.IntRange(0, 3*len(p.has)).Draw(t, "gains or loses"); i < len(p.has) {
		p.has[i] = !p.has[i]
	}
}

func candidatesOf(views []*view, projectors []*moving) map[*view][]*candidate {
	found := map[*view][]*candidate{}
	for i, v := range views {
		for _, p := range projectors {
			if p.has[i] {
				found[v] = append(found[v], &candidate{projector: p.name, place: p.place, here: true, idle: p.idle})
			}
		}
	}
	return found
}

func checkChoice(t *rapid.T, views []*view, found map[*view][]*candidate, before, after choice) {
	for _, v := range views {
		if (after[v] == nil) != (len(found[v]) == 0) {
			t.Fatalf("view %s is read from %v; there are %v", v.keyName, after[v], found[v])
		}
	}
	if len(before) == len(views) {
		for v, is := range stillThere(views, found, before) {
			if after[v].place < is.place {
				t.Fatalf("view %s went back: %+v, then %+v", v.keyName, *is, *after[v])
			}
		}
	}
	if single(after, len(views)) || len(after) < len(views) {
		return
	}
	for _, c := range found[views[0]] {
		if whole := allOf(c.projector, views, found); whole != nil && reachesAll(whole, after) {
			t.Fatalf("read from several, though %s has all and has come as far", c.projector)
		}
	}
}
