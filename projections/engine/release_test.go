package engine_test

import (
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
)

// A worker that ends gives its lease back: nobody waits for it to run out, even where
// its server process cannot be seen to be gone.
func TestWorkerThatEndsGivesItsLeaseBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	folded := make(chan eventlog.Position, 1000)
	stop := f.runs(f.leased(mustSet(t, ""), 10*time.Minute, folded))
	f.reach(folded, ratings(f, 3))
	if got := f.int(`select count(*) from readside.leases where expires_at > clock_timestamp()`); got != 1 {
		t.Errorf("while it works %d leases last", got)
	}
	stop()
	if got := f.int(`select count(*) from readside.leases where expires_at > clock_timestamp()`); got != 0 {
		t.Error("its lease lasts on")
	}
}

// A rebuild reads no faster than its rate, slice by slice and batch by batch.
func TestRebuildKeepsItsRate(t *testing.T) {
	t.Parallel()
	// The first 2,000 events are free, the other half takes at least a second.
	const events, rate, least = 4_000, 2_000, 900 * time.Millisecond
	for name, above := range map[string]int{"slices": 1, "batches": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			set := mustSet(t, "")
			story := make([]streamed, events)
			for i := range story {
				story[i] = streamed{"t1", talkMoved{"t1", "p1"}}
			}
			f.catchUp(set, 10_000, f.append(story...))
			p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: set, BuildAbove: above})
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Rebuild(t.Context(), "talk", rebuild.Options{MaxRate: rate})
			if err != nil {
				t.Fatal(err)
			}
			if r.Took < least {
				t.Errorf("%d events at %d a second were read in %s", events, rate, r.Took)
			}
		})
	}
}
