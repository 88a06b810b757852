package replay_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/projections"
)

// Some rows alone are what they are among all: their joins are too.
func TestKeysAreFoldedAsAmongAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	r := rand.New(rand.NewPCG(4, 4))
	f.append(story(r, 4000, 100)...)
	f.events()
	want := f.memory(set, nil)
	for _, view := range []string{"cargo", "ship", "port"} {
		for _, budget := range []int64{1 << 20, 64 << 20} {
			keys := []string{"nobody"}
			some := table{}
			for key := range want[view] {
				if r.IntN(5) == 0 {
					keys = append(keys, key)
					some[key] = want[view][key]
				}
			}
			rows, err := replay.Keys(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end, Budget: budget, Slices: 16}, view, keys)
			if err != nil {
				t.Fatal(err)
			}
			got := table{}
			for key, row := range rows {
				got[key] = string(row.Image.Bytes())
			}
			if diff := cmp.Diff(some, got); diff != "" || len(some) == 0 {
				t.Errorf("%d rows of view %s with %d bytes: %.1000s", len(some), view, budget, diff)
			}
		}
	}
}

// A sample hands out only its keys, joined with sources that are not in the sample.
func TestKeepHandsOutASampleWithWholeJoins(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	f.append(story(rand.New(rand.NewPCG(5, 4)), 4000, 100)...)
	f.events()
	c := newCollector(t, set)
	keep := func(_ *projections.Model, key string) bool { return keyhash.InShare(key, 0.2) }
	_, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end, Budget: 1 << 20, Slices: 16, Keep: keep, Sources: c}, c.sink)
	if err != nil {
		t.Fatal(err)
	}
	want := f.memory(set, nil)
	all, some := 0, 0
	for view := range want {
		for key := range want[view] {
			all++
			if keep(nil, key) {
				some++
			} else {
				delete(want[view], key)
			}
		}
	}
	if diff := cmp.Diff(want, c.got); diff != "" {
		t.Errorf("the sample is not the fold's:\n%.2000s", diff)
	}
	if share := float64(some) / float64(all); share < 0.1 || share > 0.3 {
		t.Errorf("a share of 0.2 kept %.2f of the keys", share)
	}
}
