package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/readside/readside/internal/mutants/mutate"
)

// However many workers try breaks, and in whatever order they end, a sample has the first
// breaks of the draw that build, as many as are wanted.
func TestADrawIsTheSameForAnyWorkers(t *testing.T) {
	t.Parallel()
	builds := func(place int) bool { return place%3 != 1 }
	for _, wanted := range []int{0, 1, 2, 7, 100} {
		var want []int
		for place := 2; place < 30 && len(want) < wanted; place++ {
			if builds(place) {
				want = append(want, place)
			}
		}
		for seed := range uint64(50) {
			for _, workers := range []int{1, 2, 5} {
				got, printed := tried(newDraw(make([]mutate.Break, 30), 2, wanted), workers, seed, builds)
				if slices.Sort(got); !slices.Equal(got, want) || printed != len(want) {
					t.Fatalf("%d wanted, %d workers, seed %d: %v were tried and %d printed, not %v", wanted, workers, seed, got, printed, want)
				}
			}
		}
	}
}

// tried are the breaks that count, tried by workers that take turns at random.
func tried(d *draw, workers int, seed uint64, builds func(int) bool) (counted []int, printed int) {
	var mu sync.Mutex
	var out bytes.Buffer
	var group sync.WaitGroup
	r := rand.New(rand.NewPCG(seed, 1))
	for range workers {
		group.Go(func() {
			for {
				place, ok := d.take()
				if !ok {
					return
				}
				mu.Lock()
				said := []outcome{killed, survived, timedOut}[r.IntN(3)]
				if !builds(place) {
					said = noBuild
				} else {
					counted = append(counted, place)
				}
				mu.Unlock()
				d.done(place, said, "", 0, &out)
			}
		})
	}
	group.Wait()
	return counted, strings.Count(out.String(), "\n")
}
