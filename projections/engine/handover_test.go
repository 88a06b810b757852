package engine_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
)

// Handing over ends the lease of the rebuild: that is no failure, however long the
// rebuild then still waits for a table that it would drop.
func TestRebuildSurvivesTheEndOfItsLease(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	rebuild := func() {
		t.Helper()
		// Shorter than the wait for a table.
		p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: set, LeaseTTL: 100 * time.Millisecond,
			Logger: slog.New(counter{slog.NewTextHandler(t.Output(), nil), &f.warnings})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Rebuild(t.Context(), "talk", rebuild.Options{}); err != nil {
			t.Errorf("the rebuild answered %v", err)
		}
	}
	rebuild()
	f.exec(`update readside.views set retired_at = now() - interval '1 day' where state = 'retired'`)
	reader, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Rollback(context.WithoutCancel(t.Context())) })
	if _, err := reader.Exec(t.Context(), `select from views.talk_v1_g1`); err != nil {
		t.Fatal(err)
	}
	rebuild()
	if f.warnings.Load() != 0 {
		t.Errorf("%d warnings while it waited for a table that is read", f.warnings.Load())
	}
	if got := f.int(`select generation from readside.views where view = 'talk' and state = 'live'`); got != 3 {
		t.Errorf("generation %d is live", got)
	}
	if got := f.int(`select count(*) from pg_tables where tablename = 'talk_v1_g1'`); got != 1 {
		t.Error("a table was dropped while it was read")
	}
	f.mustVerify(set)
}

// A rebuild that another process has taken over does not hand over, though there was
// nothing left to fold by which it would have noticed.
func TestRelievedRebuildDoesNotHandOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	_, err := f.projector(set, 100, nil).Rebuild(t.Context(), "talk", rebuild.Options{Progress: func(progress rebuild.Progress) {
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
