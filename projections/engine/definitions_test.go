package engine_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
)

// withoutBadges is the domain's views but one.
func withoutBadges(t *testing.T) *projections.Set {
	t.Helper()
	d := &domain{people: people(), rooms: rooms()}
	d.talks = talks(d, "")
	set, err := projections.NewSet(&d.talks, &d.people, &d.rooms)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// While a view is not in the set its table stands still; once it is again, that table
// must not be taken for one at the checkpoint.
func TestViewThatWasAwayIsBuiltAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := rand.New(rand.NewPCG(8, 8))
	f.catchUp(mustSet(t, ""), 100, f.append(randomEvents(r, 200)...))
	f.catchUp(withoutBadges(t), 100, f.append(randomEvents(r, 200)...))
	f.catchUp(mustSet(t, ""), 100, f.append(randomEvents(r, 50)...))
	f.mustVerify(mustSet(t, ""))
}

// Of two workers with other definitions each would leave the other's tables behind
// the checkpoint that they share: the one started last takes over, the other stops.
func TestOtherDefinitionsTakeOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := rand.New(rand.NewPCG(9, 9))
	f.catchUp(mustSet(t, ""), 100, f.append(randomEvents(r, 100)...))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	foldedByOld := make(chan eventlog.Position, 1000)
	old := make(chan error, 1)
	go func() { old <- f.projector(mustSet(t, ""), 10, foldedByOld).Run(ctx) }()
	last := f.append(randomEvents(r, 50)...)
	for at := range foldedByOld {
		if at.Place() >= last.Place() {
			break
		}
	}
	next := withoutBadges(t)
	foldedByNew := make(chan eventlog.Position, 1000)
	newer := make(chan error, 1)
	takingOver, stop := context.WithCancel(ctx)
	go func() { newer <- f.projector(next, 10, foldedByNew).Run(takingOver) }()
	// The old one may fold what comes until the new one has taken over.
	f.until("the new worker folds", func() bool {
		f.append(randomEvents(r, 5)...)
		return len(foldedByNew) > 0
	})
	f.append(randomEvents(r, 50)...)
	err := <-old
	if err == nil || !strings.Contains(err.Error(), "other definitions") {
		t.Errorf("the worker of the former definitions answered %v", err)
	}
	stop()
	if err := <-newer; err != nil {
		t.Errorf("the worker that took over answered %v", err)
	}
	f.catchUp(next, 10, f.append(randomEvents(r, 10)...))
	f.mustVerify(next)
}

func TestViewBelongsToOneProjector(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	other, err := engine.New(engine.Config{Name: "other", Log: f.log, Postgres: f.config, Set: set})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := other.Run(ctx); err == nil || !strings.Contains(err.Error(), "projector main") {
		t.Errorf("a second projector of the same views answered %v", err)
	}
	if _, err := other.Rebuild(t.Context(), "talk"); err == nil || !strings.Contains(err.Error(), "projector main") {
		t.Errorf("rebuilding another projector's view: %v", err)
	}
	_, err = engine.Verify(t.Context(), engine.VerifyConfig{Projector: "other", Log: f.log, Postgres: f.config, Set: set})
	if err == nil || !strings.Contains(err.Error(), "projector main") {
		t.Errorf("verifying another projector's views: %v", err)
	}
	f.mustVerify(set)
}

// What the message of a foreign checkpoint tells an operator to do must work, though
// the tables are still there.
func TestProjectorStartsAgainWithoutItsRows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := ratings(f, 3)
	f.catchUp(set, 100, last)
	f.exec(`delete from readside.views`)
	f.exec(`delete from readside.projectors`)
	f.catchUp(set, 100, last)
	f.mustVerify(set)
}

// A fault met while a view is built at the start halts like any other.
func TestFaultWhileBuildingHalts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	last := f.append(streamed{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "bad"}})
	f.catchUp(mustSet(t, ""), 100, last)
	f.exec(`update readside.views set fingerprint = 'of former code' where view = 'talk'`)
	if err := f.projector(mustSet(t, "bad"), 100, nil).Run(t.Context()); err == nil {
		t.Error("the projector went on")
	}
	if got := f.int(`select count(*) from readside.projectors where state = 'halted' and fault->>'key' = 't1'`); got != 1 {
		t.Error("the projector's row does not say that it halted")
	}
}

// A reader that still holds a retired generation must not hold up the projector.
func TestRebuildDoesNotWaitForReadersOfRetiredTables(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	p := f.projector(set, 100, nil)
	if _, err := p.Rebuild(t.Context(), "talk"); err != nil {
		t.Fatal(err)
	}
	f.exec(`update readside.views set retired_at = now() - interval '1 hour' where state = 'retired'`)
	reader, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), `select from views.talk_v1_g1`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := p.Rebuild(ctx, "talk"); err != nil {
		t.Errorf("while somebody reads a retired table: %v", err)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Rebuild(t.Context(), "talk"); err != nil {
		t.Fatal(err)
	}
	if got := f.int(`select count(*) from pg_class where relname = 'talk_v1_g1'`); got != 0 {
		t.Error("the retired table is never dropped")
	}
}
