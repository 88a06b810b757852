package engine_test

import (
	"fmt"
	"testing"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/operate/parked"
)

// pair is a row that two handlers of one event count: one by its ID, one by its talk.
type pair struct {
	ID  string `view:"id,key"`
	A   int    `view:"a"`
	B   int    `view:"b"`
	Now string `view:"now"`
}

// pairSet is a view in which the second key of an event cannot be read by broken code.
func pairSet(t *testing.T, broken bool) *projections.Set {
	t.Helper()
	second := func(e badgePrinted) string {
		if broken && e.Talk == "bad" {
			return ""
		}
		return e.ID + "'"
	}
	v := projections.View[pair]{Name: "pair", Version: 1, Handlers: []projections.Handler[pair]{
		projections.Create(func(e badgePrinted) string { return e.ID }, func(r *pair, e badgePrinted, _ projections.Meta) error { r.A, r.Now = r.A+1, e.Talk; return nil }),
		projections.Update(second, func(r *pair, _ badgePrinted, _ projections.Meta) error { r.B++; return nil }),
		projections.Update(second, func(r *pair, _ badgePrinted, _ projections.Meta) error { r.B++; return nil }),
		projections.Update(func(e roomOpened) string { return e.ID }, func(r *pair, e roomOpened, _ projections.Meta) error { r.Now = e.Name; return nil }),
	}}
	set, err := projections.NewSet(&v)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// An event of which one key in a view cannot be read waits in that view as a whole: no
// other handler of it folds it, and the rows that it is known to touch wait behind it,
// whatever stream their next events are of.
func TestEventWithOneUnreadableKeyWaitsAsAWhole(t *testing.T) {
	t.Parallel()
	for _, above := range []int{-1, 1} {
		for _, discard := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%v", above, discard), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				broken, mended := pairSet(t, true), pairSet(t, false)
				last := f.append(streamed{"b1", badgePrinted{"b1", "good"}}, streamed{"b1", badgePrinted{"b1", "bad"}}, streamed{"r1", roomOpened{"b1", "room"}}, streamed{"b2", badgePrinted{"b2", "good"}})
				if above < 0 {
					f.catchUp(broken, 100, last)
				} else {
					f.builder("main", broken).mustRun(last)
				}
				if n := f.int(`select count(*) from views.pair_v1_g1 where id = 'b1' and a = 1 and now = 'good'`); n != 1 {
					t.Error("the row is not as it was right before")
				}
				if n := f.int(`select count(*) from readside.parked where state = 'parked'`); n != 1 {
					t.Errorf("%d events are parked, not one", n)
				}
				f.mustVerify(broken)
				want := 2
				var err error
				if discard {
					want = 1
					_, err = f.projector(mended, 100, nil).Discard(t.Context(), parked.Waiting{View: "pair", Stream: "b1"})
				} else {
					_, err = f.projector(mended, 100, nil).Retry(t.Context(), parked.Waiting{View: "pair"})
				}
				if err != nil {
					t.Fatal(err)
				}
				if n := f.int(`select a from views.pair_v1_g1 where id = 'b1' and now = 'room'`); n != want {
					t.Errorf("the event is folded %d times, want %d", n, want)
				}
				if n := f.int(`select count(*) from readside.parked where state <> 'discarded'`); n != 0 {
					t.Errorf("%d events wait on", n)
				}
				f.mustVerify(mended)
			})
		}
	}
}
