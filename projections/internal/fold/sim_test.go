package fold_test

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	simSeed = flag.Uint64("seed", 0, "the seed of the first run of the simulator; 0 takes 1")
	simRuns = flag.Int("sim-runs", 10_000, "how many runs of the simulator, each with the next seed")
)

// The simulator drives the cache, the fold, parking, folding ahead and the order of
// commits against a model of the database, without Postgres: runs of a few events and
// rows, in which workers resume, are killed, lose connections before and after a commit
// and are replaced, and operators retry and discard, between any two statements. After
// every commit the tables must be what a fold of one event after the other gives.
//
// A run that fails prints its seed, the smallest run of that seed that fails, too, and
// its transcript. With -seed N -sim-runs 1 it runs again.
func TestSimulator(t *testing.T) {
	t.Parallel()
	first := max(*simSeed, 1)
	started := time.Now()
	var next, failed atomic.Uint64
	next.Store(first)
	end := first + uint64(*simRuns)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			sets, err := simSets()
			if err != nil {
				t.Error(err)
				return
			}
			for failed.Load() == 0 {
				plan := simPlan{seed: next.Add(1) - 1, events: 100, faults: 100}
				if plan.seed >= end {
					return
				}
				if err := newSimulation(plan, sets).run(); err != nil && failed.CompareAndSwap(0, plan.seed) {
					t.Errorf("run %d of the simulator: %v\n%s", plan.seed-first+1, err, simTranscript(plan, sets))
				}
			}
		})
	}
	workers.Wait()
	if failed.Load() == 0 {
		t.Logf("simulator: %d runs, seeds %d to %d, without a difference, in %s", *simRuns, first, end-1, time.Since(started).Round(time.Millisecond))
	}
}

func simSets() ([]*simSet, error) {
	flat, err := simFlat()
	if err != nil {
		return nil, err
	}
	deep, err := simDeep()
	return []*simSet{flat, flat, deep}, err
}

// simTranscript runs the smallest part of a run that fails, and returns its transcript.
func simTranscript(plan simPlan, sets []*simSet) string {
	smallest := plan
search:
	for events := 1; events <= 16; events++ {
		for faults := range 5 {
			small := simPlan{seed: plan.seed, events: events, faults: faults}
			if newSimulation(small, sets).run() != nil {
				smallest = small
				break search
			}
		}
	}
	var lines []string
	s := newSimulation(smallest, sets)
	s.heard = func(line string) { lines = append(lines, line) }
	err := s.run()
	return fmt.Sprintf("go test ./projections/internal/fold -run TestSimulator -args -seed %d -sim-runs 1\nwith at most %d events and %d faults:\n%s\n----\n%v",
		plan.seed, smallest.events, smallest.faults, strings.Join(lines, "\n"), err)
}
