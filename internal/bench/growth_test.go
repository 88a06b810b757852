package bench

import (
	"testing"

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
	for _, h := range histories() {
		events := h.events(n)
		if len(events) != n {
			t.Errorf("%s has %d events", h.name, len(events))
		}
		later := 0
		for i := range n - 1 {
			if events[i+1].at.After(events[i].at) {
				later++
			}
		}
		if h.name == "reversed" && later != 0 || h.name == "shuffled" && (later < n/3 || later > 2*n/3) || h.name != "reversed" && h.name != "shuffled" && later != n-1 {
			t.Errorf("%s: %d events are later than the one before", h.name, later)
		}
	}
}
