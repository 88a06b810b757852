package replay_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/inmemory"
	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/projections"
)

// faultyStory has notes that a handler refuses when it has changed its row already,
// ships whose name cannot be stored or joined, some of which are renamed later, and cargo of
// which no key can be read.
func faultyStory(r *rand.Rand, n int) []streamed {
	events := story(r, n, 60)
	for i := range events {
		if _, renamed := events[i].event.(shipRenamed); r.IntN(60) > 0 && !(renamed && r.IntN(8) == 0) {
			continue
		}
		switch e := events[i].event.(type) {
		case cargoNoted:
			e.Note = badNote
			events[i].event = e
		case shipRenamed:
			e.Name = longName
			if r.IntN(3) == 0 {
				e.Name = badJoin
			}
			events[i].event = e
		case cargoLoaded:
			if r.IntN(5) == 0 {
				e.Ship = badKey
				events[i].event = e
			}
		}
	}
	return events
}

// wait is a Waiting that can be compared.
type wait struct {
	view, key, stream string
	place             int64
	reason            string
}

// touched is an event and a row; without a key it is one whose row is not known.
type touched struct {
	view, key string
	place     int64
}

func waitOf(w replay.Waiting) wait {
	reason := ""
	if w.Fault != nil {
		reason = w.Fault.Reason
	}
	return wait{w.View.Name, w.Key, w.Stream, w.Position.Place(), reason}
}

func (f *fixture) replayWithFaults(set *projections.Set, cfg replay.Config) (map[string]table, []wait) {
	f.t.Helper()
	var waits []wait
	c := newCollector(f.t, set)
	cfg.Log, cfg.Set, cfg.Until = f.log, set, f.end
	cfg.Faults = func(w replay.Waiting) error {
		waits = append(waits, waitOf(w))
		return nil
	}
	if _, err := replay.Run(f.t.Context(), cfg, c.sink); err != nil {
		f.t.Fatal(err)
	}
	slices.SortFunc(waits, func(a, b wait) int {
		return cmp.Or(cmp.Compare(a.view, b.view), cmp.Compare(a.key, b.key), cmp.Compare(a.place, b.place))
	})
	return c.got, waits
}

// A row with a fault is what it was right before it; all that touches it later waits,
// in memory and on disk alike; other rows know nothing of it. Without what waits, the
// log gives the same rows, and nothing waits any more.
func TestFaultsLeaveRowsAsTheyWereBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	f.append(faultyStory(rand.New(rand.NewPCG(3, 1)), 3000)...)
	f.append(streamed{"s1", shipRenamed{"s1", longName}}, streamed{"s2", shipRenamed{"s2", "well"}},
		streamed{"n1", shipBuilt{"n1", "a name", "p1", []string{"p1"}}}, streamed{"n2", shipBuilt{"n2", longName, "p1", nil}},
		streamed{"n1", shipRenamed{"n1", badJoin}}, streamed{"n1", shipRenamed{"n1", longName}},
		streamed{"n3", shipBuilt{"n3", badJoin, "p1", nil}}, streamed{"n3", shipRenamed{"n3", "mended"}},
		streamed{"n4", shipBuilt{"n4", longName, "p1", nil}}, streamed{"n4", shipRenamed{"n4", "mended"}}, streamed{"n4", shipRenamed{"n4", longName}})
	f.events()
	got, waits := f.replayWithFaults(set, replay.Config{Budget: 64 << 20, Slices: 4})
	reasons := map[string]int{}
	held := map[touched]bool{}
	for _, w := range waits {
		reasons[w.reason]++
		held[touched{w.view, w.key, w.place}] = true
	}
	for _, reason := range []string{projections.ReasonHandler, projections.ReasonUnstorable, projections.ReasonJoin, projections.ReasonKey, ""} {
		if reasons[reason] == 0 {
			t.Errorf("no touch waits with reason %q: %v", reason, reasons)
		}
	}
	checkOrder(t, set, f.all, waits)
	if n := number(waits, "n4"); n != 1 {
		t.Errorf("of a row that was mended and broken again %d touches wait, not the last one", n)
	}
	if n := number(waits, "n3"); n != 0 {
		t.Errorf("of a row that was mended %d touches wait", n)
	}
	skip := func(view *projections.Model, key, _ string, place int64) bool {
		return held[touched{view.Name, key, place}]
	}
	if diff := gocmp.Diff(f.memoryWithout(set, skip), got); diff != "" {
		t.Fatalf("the rows are not what the log gives without the waiting events:\n%.2000s", diff)
	}
	for _, cfg := range []replay.Config{{Budget: 1 << 20, Slices: 16}, {Budget: 2 << 20, Slices: 1, PageEvents: 100}} {
		rows, others := f.replayWithFaults(set, cfg)
		if diff := gocmp.Diff(waits, others, gocmp.AllowUnexported(wait{})); diff != "" {
			t.Errorf("with a budget of %d others wait:\n%.2000s", cfg.Budget, diff)
		}
		if diff := gocmp.Diff(got, rows); diff != "" {
			t.Errorf("with a budget of %d the rows are others:\n%.2000s", cfg.Budget, diff)
		}
	}
	again, none := f.replayWithFaults(set, replay.Config{Budget: 1 << 20, Slices: 8, Skip: skip})
	if len(none) > 0 {
		t.Errorf("%d touches wait although all faulty ones are skipped, the first: %+v", len(none), none[0])
	}
	if diff := gocmp.Diff(got, again); diff != "" {
		t.Errorf("skipping what waits gives other rows:\n%.2000s", diff)
	}
}

// number counts the touches of a key that wait.
func number(waits []wait, key string) (n int) {
	for _, w := range waits {
		if w.key == key {
			n++
		}
	}
	return n
}

// checkOrder: of each row that waits, all touches from the first one on do.
func checkOrder(t *testing.T, set *projections.Set, stored []eventlog.Event, waits []wait) {
	t.Helper()
	from := map[string]int64{}
	got := map[string]int{}
	for _, w := range waits {
		id := w.view + " " + w.key
		if _, ok := from[id]; !ok && w.key != "" {
			from[id] = w.place
		}
		got[id]++
	}
	events, touches, _ := set.Prepare(stored)
	want := map[string]int{}
	seen := map[string]bool{}
	for _, touch := range touches {
		id := set.Views()[touch.View].Name + " " + touch.Key
		place := events[touch.Event].Meta.Position.Place()
		once := fmt.Sprint(id, " ", place)
		if first, ok := from[id]; ok && place >= first && !seen[once] {
			seen[once] = true
			want[id]++
		}
	}
	for id, n := range want {
		if got[id] != n {
			t.Errorf("row %s: %d touches wait, not %d", id, got[id], n)
		}
	}
}

// memoryWithout folds all but the touches that skip names.
func (f *fixture) memoryWithout(set *projections.Set, skip func(*projections.Model, string, string, int64) bool) map[string]table {
	f.t.Helper()
	events, touches, _ := set.Prepare(f.all)
	touches = slices.DeleteFunc(touches, func(t projections.Touch) bool {
		m := events[t.Event].Meta
		return skip(set.Views()[t.View], t.Key, m.Stream, m.Position.Place())
	})
	m := inmemory.New(set)
	if err := set.Fold(m, touches, events); err != nil {
		f.t.Fatal(err)
	}
	joined, err := m.Joined()
	if err != nil {
		f.t.Fatal(err)
	}
	return f.encode(set, joined)
}

// Without anybody who takes faults, the first one ends the replay and says which.
func TestAFaultEndsTheReplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	f.append(story(rand.New(rand.NewPCG(1, 2)), 300, 10)...)
	f.append(streamed{"c1", cargoNoted{"c1", badNote}})
	c := newCollector(t, set)
	_, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end}, c.sink)
	if err == nil || !strings.Contains(err.Error(), `view cargo, key "c1"`) || !strings.Contains(err.Error(), errBroken.Error()) {
		t.Errorf("the replay answered %v", err)
	}
}

// Who takes no faults gets the first as the error. Of a row that cannot be finished it is
// not looked for which event is to blame, and none is named.
func TestNoEventIsBlamedThatWasNotLookedFor(t *testing.T) {
	t.Parallel()
	for _, name := range []string{longName, badJoin} {
		f := newFixture(t)
		set := newSet(t)
		f.append(streamed{"s", shipBuilt{"s", name, "p", nil}}, streamed{"p", portOpened{"p", "innocent"}})
		_, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end}, newCollector(t, set).sink)
		fault := new(projections.FoldError)
		if !errors.As(err, &fault) || fault.View != "ship" || fault.Key != "s" || fault.Position.Place() != 0 {
			t.Errorf("name %.10q: it answered %.100v", name, err)
		}
	}
}
