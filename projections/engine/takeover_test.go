package engine_test

import (
	"flag"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
)

var (
	takeoverTTL   = flag.Duration("takeover-ttl", 700*time.Millisecond, "the lease's time to live in the tests of takeover; 0 takes the engine's default")
	takeoverBound = flag.Duration("takeover-bound", 0, "how much longer than the lease a takeover may take; 0 only prints")
)

// engineTTL is what the engine takes for a time to live of 0.
const engineTTL = 5 * time.Second

// A worker that is stopped at any moment is replaced when its lease is over: the
// takeover is printed, and bounded where a bound is given. (By a flag only: on a machine
// that others use too, no time means anything.)
func TestAStoppedWorkerIsRelievedInTime(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"between batches", "in a COPY"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			set := mustSet(t, "")
			f.catchUp(set, 100, ratings(f, 1))
			var gate *gate
			if where == "in a COPY" {
				gate = f.gateCopies()
			}
			stopped := f.process(*takeoverTTL)
			f.until("the first worker owns the projector", func() bool {
				return f.int(`select count(*) from readside.leases where expires_at > now() and process = $1`, stopped.cmd.Process.Pid) == 1
			})
			folded := make(chan eventlog.Position, 1000)
			defer f.runs(f.leased(set, *takeoverTTL, folded))()
			f.until("the second worker waits", func() bool {
				return f.int(`select count(*) from pg_stat_activity where datname = current_database() and application_name = 'readside lease'`) == 2
			})
			if gate != nil {
				manyTalks(f, 1000, 200)
				gate.reached()
			}

			f.stop(stopped)
			began := time.Now()
			old := f.int(`select backend_pid from readside.leases`)
			if gate != nil {
				gate.open()
			}
			f.reach(folded, ratings2(f))
			f.tell(where, time.Since(began))
			if got := f.int(`select count(*) from pg_locks where pid = $1`, old); got != 0 {
				t.Errorf("the stopped worker still has %d locks", got)
			}
			stopped.signal(syscall.SIGCONT)
			f.reach(folded, ratings2(f))
			f.mustVerify(set)
		})
	}
}

// tell logs how long a takeover took, until the first batch of the new owner.
func (f *fixture) tell(where string, took time.Duration) {
	f.t.Helper()
	ttl := *takeoverTTL
	if ttl == 0 {
		ttl = engineTTL
	}
	f.t.Logf("takeover of a worker stopped %s: the first batch after %s, with a lease of %s", where, took.Round(time.Millisecond), ttl)
	if *takeoverBound > 0 && took > ttl+*takeoverBound {
		f.t.Errorf("a takeover took %s, more than the lease of %s and %s", took, ttl, *takeoverBound)
	}
}
