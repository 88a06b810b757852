package rowtable

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/readside/readside/projections"
)

// Whatever is put and removed, under hashes that collide often, the table holds what a
// map would.
func TestRowTableIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var table Table
		want := map[string]*projections.Row{}
		// Few homes, some at the end of the table, some hashes whole alike.
		hashes := rapid.SliceOfN(rapid.SampledFrom([]uint64{0, 1, 1 << 60, 1<<60 + 1, 15 << 60, 15<<60 + 7, 1<<64 - 1}), 40, 40).Draw(t, "hashes")
		for step := range rapid.IntRange(0, 120).Draw(t, "steps") {
			n := rapid.IntRange(0, len(hashes)-1).Draw(t, "key")
			key, hash := fmt.Sprint("key ", n), hashes[n]
			if rapid.IntRange(0, 2).Draw(t, "what") == 0 {
				table.Remove(hash, key)
				delete(want, key)
			} else {
				row := &projections.Row{Key: key, Touched: step}
				table.Put(hash, row)
				want[key] = row
			}
			got := map[string]*projections.Row{}
			for hash, row := range table.All() {
				if table.Get(hash, row.Key) != row || got[row.Key] != nil {
					t.Fatalf("step %d: row %q stands where it is not found, or twice", step, row.Key)
				}
				got[row.Key] = row
			}
			if len(got) != len(want) || table.count != len(want) {
				t.Fatalf("step %d: %d rows, counted as %d, and not %d", step, len(got), table.count, len(want))
			}
			for n, hash := range hashes {
				key := fmt.Sprint("key ", n)
				if table.Get(hash, key) != want[key] {
					t.Fatalf("step %d: key %q is %v, and not %v", step, key, table.Get(hash, key), want[key])
				}
			}
		}
	})
}

// An attacker who chooses keys can choose many with one hash. The table stays a map then, and
// looks at a bounded number of slots for each.
func TestRowTableBearsChosenKeys(t *testing.T) {
	t.Parallel()
	const most = 4 * reach
	r := rand.New(rand.NewPCG(5, 5))
	hashes := make([]uint64, most)
	for i := range hashes {
		hashes[i] = 1<<64 - 1 - r.Uint64N(3) // all at the end of the table
		if i%8 == 0 {
			hashes[i] = r.Uint64()
		}
	}
	var table Table
	want := map[string]*projections.Row{}
	for step := range 6 * most {
		n := r.IntN(most)
		key, hash := fmt.Sprint("key ", n), hashes[n]
		if r.IntN(3) == 0 {
			table.Remove(hash, key)
			delete(want, key)
		} else {
			want[key] = &projections.Row{Key: key, Touched: step}
			table.Put(hash, want[key])
		}
		if step%most > 0 {
			continue
		}
		got := 0
		for hash, row := range table.All() {
			if got++; want[row.Key] != row || table.Get(hash, row.Key) != row {
				t.Fatalf("step %d: row %q stands where it is not found, or twice", step, row.Key)
			}
		}
		if got != len(want) || table.count != len(want) {
			t.Fatalf("step %d: %d rows, counted as %d, and not %d", step, got, table.count, len(want))
		}
	}
	for n, hash := range hashes {
		if key := fmt.Sprint("key ", n); table.Get(hash, key) != want[key] {
			t.Fatalf("key %q is %v, and not %v", key, table.Get(hash, key), want[key])
		}
	}
	for at, s := range table.slots {
		if far := (at - table.home(s.hash)) & (len(table.slots) - 1); s.row != nil && far >= reach {
			t.Fatalf("row %q stands %d slots from its home, and %d are looked at", s.row.Key, far, reach)
		}
	}
}
