package engine_test

import (
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
)

// Of two workers that begin a new projector at the same moment, one owns it, and the
// other waits for that one.
func TestOfTwoFirstWorkersOneOwns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := ratings(f, 3)
	begin, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = begin.Rollback(t.Context()) }()
	if _, err := begin.Exec(t.Context(), `lock table readside.leases in share row exclusive mode`); err != nil {
		t.Fatal(err)
	}
	folded := make(chan eventlog.Position, 1000)
	defer f.runs(f.leased(set, time.Minute, folded))()
	defer f.runs(f.leased(set, time.Minute, folded))()
	f.until("both workers are about to take the lease", func() bool {
		return f.int(`select count(*) from pg_stat_activity where datname = current_database() and application_name = 'readside lease' and wait_event_type = 'Lock'`) == 2
	})
	if err := begin.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.reach(folded, last)
	f.until("one worker waits for the other", func() bool {
		return f.int(`select count(*) from pg_stat_activity where datname = current_database() and application_name = 'readside lease' and state = 'idle'`) == 2
	})
	if got := f.int(`select epoch from readside.projectors`); got != 1 {
		t.Errorf("the projector was taken %d times", got)
	}
	f.mustVerify(set)
}

// A build that is left over, of a projector that has folded already, is no build any
// more: neither a worker nor an operator who repairs rows goes by it.
func TestABuildThatIsOverIsForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	f.exec(`insert into readside.builds (projector, until, slices) select name, place, 1 from readside.projectors`)
	f.catchUp(set, 100, ratings2(f))
	if got := f.int(`select count(*) from readside.builds`); got != 0 {
		t.Errorf("%d builds are left", got)
	}
	f.mustVerify(set)
}
