package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestTablesEqualTheFoldOfTheLog(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := rand.New(rand.NewPCG(1, seed))
			set := mustSet(t, "")
			if r.IntN(2) == 0 {
				set = newFlatSet(t, "")
			}
			for range 4 {
				batch, cache := pick(r, 1, 7, 100, 1000, 10_000), pick(r, -1, 1500, 20_000, 0)
				t.Logf("batches of %d, a cache of %d bytes", batch, cache)
				p := f.run(set, batch, cache)
				for range 1 + r.IntN(3) {
					p.step(randomEvents(r, 1+r.IntN(150))...)
				}
				p.stop()
				f.mustVerify(set)
			}
		})
	}
}

// pick draws one of values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }
