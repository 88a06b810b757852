package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/projections"
)

// collector is a sink that keeps all rows as text, and Sources made of what it was
// handed for that.
type collector struct {
	t    testing.TB
	mu   sync.Mutex
	got  map[string]table
	kept map[*projections.Model]map[string]hot.Image
	// asked counts the keys that were asked for.
	asked int
	// frees gives the memory of slices back.
	frees bool
}

func newCollector(t testing.TB, set *projections.Set) *collector {
	c := &collector{t: t, got: map[string]table{}, kept: map[*projections.Model]map[string]hot.Image{}}
	for _, m := range set.Views() {
		c.got[m.Name] = table{}
		c.kept[m] = map[string]hot.Image{}
	}
	return c
}

func (c *collector) sink(_ context.Context, s replay.Slice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range s.Rows {
		if _, twice := c.got[s.View.Name][row.Key]; twice {
			return fmt.Errorf("row %q of %s came twice", row.Key, s.View.Name)
		}
		if got := int(keyhash.Of(row.Key) % uint64(s.Of)); got != s.Number {
			return fmt.Errorf("row %q came in slice %d, not %d", row.Key, s.Number, got)
		}
		c.got[s.View.Name][row.Key] = string(row.Image.Bytes())
	}
	for _, row := range s.Sources {
		img, err := mustLayout(c.t, s.View).ImageOf(bytes.Clone(row.Image.Bytes()))
		if err != nil {
			return err
		}
		c.kept[s.View][row.Key] = img
	}
	if c.frees {
		s.Free()
	}
	return nil
}

// keep lets Load find a row.
func (c *collector) keep(view *projections.Model, row replay.Row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[view][row.Key] = row.Image
}

func (c *collector) Load(_ context.Context, source *projections.Model, keys []string) (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(keys) > 2000 {
		return nil, fmt.Errorf("%d keys at once", len(keys))
	}
	c.asked += len(keys)
	found := map[string]any{}
	for _, key := range keys {
		if img, ok := c.kept[source][key]; ok {
			row, err := mustLayout(c.t, source).Row(img)
			if err != nil {
				return nil, err
			}
			found[key] = row.Value
		}
	}
	return found, nil
}

// Whatever the budget, the number of slices and the size of pages, and whether the memory
// of slices is used again: the rows are those of a fold in memory.
func TestSameRowsForAnyBudgetAndSlices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	r := rand.New(rand.NewPCG(7, 7))
	f.append(story(r, 4000, 800)...)
	f.events()
	want := f.memory(set, nil)
	spilled, asked := false, false
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		cfg := replay.Config{
			Log: f.log, Set: set, Until: f.end, Dir: dir,
			Budget:     rapid.SampledFrom([]int64{1 << 20, 2 << 20, 4 << 20, 64 << 20}).Draw(rt, "budget"),
			Slices:     1 << rapid.IntRange(0, 7).Draw(rt, "slices"),
			PageEvents: rapid.SampledFrom([]int{0, 1000, 5000, 77}).Draw(rt, "page"),
		}
		c := newCollector(t, set)
		if rapid.Bool().Draw(rt, "sources") {
			cfg.Sources = c
		}
		c.frees = rapid.Bool().Draw(rt, "frees")
		result, err := replay.Run(t.Context(), cfg, c.sink)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, c.got); diff != "" {
			rt.Fatalf("the replay's rows are not the fold's:\n%.2000s", diff)
		}
		spilled, asked = spilled || result.Spilled > 0, asked || c.asked > 0
	})
	if !spilled || !asked {
		t.Errorf("nothing was tried: spilled %v, sources asked for %v", spilled, asked)
	}
	mustBeEmpty(t, dir)
}

func mustBeEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s was left behind", entry.Name())
	}
}
