package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/readside/readside/projections/engine"
)

// Handing over ends the lease of the rebuild: that is no failure, however long the
// rebuild then still counts its rows.
func TestRebuildSurvivesTheEndOfItsLease(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	const ttl = 100 * time.Millisecond // renewed three times as often
	holder, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release := func() { _ = holder.Rollback(context.WithoutCancel(t.Context())) }
	t.Cleanup(release)
	p, err := engine.New(engine.Config{Log: f.log, Postgres: f.config, Set: set, LeaseTTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := p.Rebuild(t.Context(), "talk", engine.RebuildOptions{Progress: func(progress engine.RebuildProgress) {
			if progress.Phase == "switching" {
				if _, err := holder.Exec(t.Context(), `lock table views.talk_v1_g2 in access exclusive mode`); err != nil {
					t.Error(err)
				}
			}
		}})
		done <- err
	}()
	f.until("the rebuild has handed over", func() bool {
		return f.int(`select count(*) from readside.views where view = 'talk' and generation = 2 and state = 'live'`) == 1
	})
	select {
	case err := <-done:
		t.Fatalf("handed over, and the rebuild answered %v", err)
	case <-time.After(5 * ttl):
	}
	release()
	if err := <-done; err != nil {
		t.Errorf("handed over, and the rebuild answered %v", err)
	}
	f.mustVerify(set)
}

// A rebuild that another process has taken over does not hand over, though there was
// nothing left to fold that would have told it so.
func TestRelievedRebuildDoesNotHandOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	_, err := f.projector(set, 100, nil).Rebuild(t.Context(), "talk", engine.RebuildOptions{Progress: func(progress engine.RebuildProgress) {
		if progress.Phase == "switching" {
			f.exec(`update readside.projectors set epoch = epoch + 1 where rebuilds is not null`)
		}
	}})
	if err == nil {
		t.Error("a rebuild that was relieved handed over")
	}
	if got := f.int(`select generation from readside.views where view = 'talk' and state = 'live'`); got != 1 {
		t.Errorf("generation %d is live", got)
	}
}
