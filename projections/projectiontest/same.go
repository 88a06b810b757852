package projectiontest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Twice folds the events again, one at a time where they were folded together before,
// and fails the test where a row differs: then a handler looks at a clock, at chance,
// or at what it kept from an earlier event.
func Twice(t testing.TB, set *projections.Set, events ...eventlog.Typed) {
	t.Helper()
	together := Fold(t, set, events...)
	again, err := foldInBatches(set, Story(events...), 1)
	if err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
	for _, m := range set.Views() {
		if d := firstDifference(Text(together[m.Name]), Text(again[m.Name])); d != "" {
			t.Errorf("view %s: folded a second time, one event at a time, %s", m.Name, d)
		}
	}
}

// interleavingsMax bounds how many orders Interleavings tries. Where there are more, as
// many are drawn, the same ones each time.
const interleavingsMax = 1_000

// Interleavings folds the events in every order in which their streams can arrive, and
// fails the test at the first that gives other rows. Each stream (see At) stays in its
// own order, and an event takes its time along.
//
// Streams of different services arrive in any order: a row that depends on it is right
// only by luck. Let a join bring in what others own, instead of a handler.
func Interleavings(t testing.TB, set *projections.Set, events ...eventlog.Typed) {
	t.Helper()
	story := Story(events...)
	want, err := FoldEvents(set, story)
	if err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
	orders(story, func(order []projections.Event) bool {
		got, err := FoldEvents(set, order)
		if err != nil {
			t.Errorf("in the order %v: %v", named(order), err)
			return false
		}
		for _, m := range set.Views() {
			if d := firstDifference(Text(want[m.Name]), Text(got[m.Name])); d != "" {
				t.Errorf("view %s: in the order %v, %s", m.Name, named(order), d)
				return false
			}
		}
		return true
	})
}

// orders hands out the interleavings of a story's streams until each returns false.
func orders(story []projections.Event, each func([]projections.Event) bool) {
	streams, sizes := byStream(story)
	if count(sizes) <= interleavingsMax {
		all(streams, make([]projections.Event, 0, len(story)), each)
		return
	}
	r := rand.New(rand.NewPCG(1, 1))
	var turns []int
	for i, n := range sizes {
		turns = append(turns, slices.Repeat([]int{i}, n)...)
	}
	for range interleavingsMax {
		r.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		left := slices.Clone(streams)
		order := make([]projections.Event, 0, len(story))
		for _, i := range turns {
			order, left[i] = append(order, left[i][0]), left[i][1:]
		}
		if !each(placed(order)) {
			return
		}
	}
}

func byStream(story []projections.Event) (streams [][]projections.Event, sizes []int) {
	at := map[string]int{}
	for _, e := range story {
		i, ok := at[e.Meta.Stream]
		if !ok {
			i = len(streams)
			at[e.Meta.Stream] = i
			streams, sizes = append(streams, nil), append(sizes, 0)
		}
		streams[i] = append(streams[i], e)
		sizes[i]++
	}
	return streams, sizes
}

// count is how many interleavings there are, or more than the most that are tried.
func count(sizes []int) int {
	n, placed := 1, 0
	for _, size := range sizes {
		for i := 1; i <= size; i++ {
			placed++
			// Exact: it is a binomial coefficient after each step.
			if n = n * placed / i; n > interleavingsMax {
				return n
			}
		}
	}
	return n
}

// all hands out every interleaving that begins with order.
func all(streams [][]projections.Event, order []projections.Event, each func([]projections.Event) bool) bool {
	over := true
	for i, s := range streams {
		if len(s) == 0 {
			continue
		}
		over = false
		streams[i] = s[1:]
		goOn := all(streams, append(order, s[0]), each)
		streams[i] = s
		if !goOn {
			return false
		}
	}
	return !over || each(placed(order))
}

// placed gives events the places that they have in this order.
func placed(order []projections.Event) []projections.Event {
	out := slices.Clone(order)
	for i := range out {
		out[i].Meta.Position = out[i].Meta.Position.At(int64(i + 1))
	}
	return out
}

// named are the types of events, for messages.
func named(events []projections.Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.Route.EventType
	}
	return out
}
