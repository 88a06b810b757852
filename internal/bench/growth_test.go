package bench

import (
	"testing"

	"github.com/readside/readside/internal/bench/story"
	"github.com/readside/readside/internal/dbtest"
)

// Every history is folded, and its ratio has a name; whether it is small enough is for
// the full size to show.
func TestGrowthOfEveryHistory(t *testing.T) {
	t.Parallel()
	ratios, err := Run(t.Context(), Config{Pool: dbtest.Postgres(t).Pool, Events: 4_000, Rounds: 1, Out: t.Output()}, "growth")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"growth/unborn", "growth/deleted", "growth/one_source", "growth/reversed", "growth/shuffled"} {
		if ratios[key] <= 0 {
			t.Errorf("no ratio %s in %v", key, ratios)
		}
	}
	t.Log(ratios.JSON())
}

// Histories have as many events as they are asked for, and awkward ones the times that
// they are named for.
func TestHistories(t *testing.T) {
	t.Parallel()
	const n = 2_000
	for _, h := range story.Histories() {
		events := h.Events(n)
		if len(events) != n {
			t.Errorf("%s has %d events", h.Name, len(events))
		}
		later := 0
		for i := range n - 1 {
			if events[i+1].At.After(events[i].At) {
				later++
			}
		}
		if h.Name == "reversed" && later != 0 || h.Name == "shuffled" && (later < n/3 || later > 2*n/3) || h.Name != "reversed" && h.Name != "shuffled" && later != n-1 {
			t.Errorf("%s: %d events are later than the one before", h.Name, later)
		}
	}
}
