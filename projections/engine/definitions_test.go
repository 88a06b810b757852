package engine_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
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

// A worker of other definitions is another projector: it builds its views beside those
// of the first, both are kept up to date, and a deployment that goes back finds the first ones
// where they were left.
func TestOtherDefinitionsStandBesideTheFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := rand.New(rand.NewPCG(9, 9))
	first, second := mustSet(t, ""), withoutBadges(t)
	f.catchUp(first, 100, f.append(randomEvents(r, 100)...))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	foldedByFirst, foldedBySecond := make(chan eventlog.Position, 1000), make(chan eventlog.Position, 1000)
	ended := make(chan error, 2)
	go func() { ended <- f.projector(first, 10, foldedByFirst).Run(ctx) }()
	go func() { ended <- f.projector(second, 10, foldedBySecond).Run(ctx) }()
	last := f.append(randomEvents(r, 200)...)
	for _, folded := range []chan eventlog.Position{foldedByFirst, foldedBySecond} {
		for at := range folded {
			if at.Place() >= last.Place() {
				break
			}
		}
	}
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	f.mustVerify(first)
	f.mustVerify(second)
	if got := f.int(`select count(*) from readside.views where view = 'talk' and state = 'live'`); got != 2 {
		t.Errorf("%d generations of the view are live, one for each set of definitions", got)
	}

	last = f.append(randomEvents(r, 50)...)
	f.catchUp(second, 10, last)
	if behind := f.int(`select place from readside.projectors where name = $1`, engine.ProjectorName("main", first)); behind >= int(last.Place()) {
		t.Errorf("nobody works for the first definitions, and they stand at %d", behind)
	}
	f.catchUp(first, 10, last)
	f.mustVerify(first)
}

// Readers see the views of new definitions when they have caught up, not before.
func TestNewDefinitionsAreShownOnceTheyHaveCaughtUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := rand.New(rand.NewPCG(10, 10))
	last := f.append(randomEvents(r, 200)...)
	set := mustSet(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	folded := make(chan eventlog.Position) // every batch waits for the test
	ended := make(chan error, 1)
	go func() { ended <- f.projector(set, 10, folded).Run(ctx) }()
	for at := range folded {
		// Together, since the next batch may be on its way.
		wrong := f.int(`select count(*) from readside.projectors p
where (p.place = $1) <> (select count(*) = 4 from readside.views where state = 'live')`, last.Place())
		if wrong != 0 {
			t.Errorf("at place %d of %d views are live, or none are at the last", at.Place(), last.Place())
		}
		if at == last {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A log without an event has views too: empty ones.
func TestViewsOfAnEmptyLogAreShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- f.projector(mustSet(t, ""), 10, nil).Run(ctx) }()
	f.until("the views are shown", func() bool { return f.int(`select count(*) from readside.views where state = 'live'`) == 4 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Former definitions whose time for a rollback is over are dropped, tables and all.
func TestFormerDefinitionsAreDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := mustSet(t, ""), withoutBadges(t)
	last := ratings(f, 3)
	f.catchUp(first, 100, last)
	f.catchUp(second, 100, last)
	f.catchUp(second, 100, ratings2(f))
	if got := f.int(`select count(*) from pg_tables where schemaname = 'views'`); got != 7 {
		t.Fatalf("%d tables; those of the former definitions belong to a possible rollback", got)
	}
	f.exec(`update readside.projectors set updated_at = now() - interval '2 days' where name = $1`, engine.ProjectorName("main", first))
	f.catchUp(second, 100, ratings2(f))
	if got := f.int(`select count(*) from pg_tables where schemaname = 'views'`); got != 7 {
		t.Fatalf("%d tables, though the former worker ended only now", got)
	}
	f.exec(`update readside.leases set expires_at = now() - interval '2 days' where projector = $1`, engine.ProjectorName("main", first))
	f.catchUp(second, 100, ratings2(f))
	if got := f.int(`select count(*) from pg_tables where schemaname = 'views'`); got != 3 {
		t.Errorf("%d tables are left, not those of the three views in use", got)
	}
	if got := f.int(`select count(*) from readside.projectors`); got != 1 {
		t.Errorf("%d projectors are left", got)
	}
	f.mustVerify(second)
}

// The remedy that the message of a foreign checkpoint names must work, though
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

// A reader that still holds a retired generation must not hold up the projector.
func TestRebuildDoesNotWaitForReadersOfRetiredTables(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	p := f.projector(set, 100, nil)
	if _, err := p.Rebuild(t.Context(), "talk", rebuild.Options{}); err != nil {
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
	if _, err := p.Rebuild(ctx, "talk", rebuild.Options{}); err != nil {
		t.Errorf("while somebody reads a retired table: %v", err)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Rebuild(t.Context(), "talk", rebuild.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := f.int(`select count(*) from pg_class where relname = 'talk_v1_g1'`); got != 0 {
		t.Error("the retired table is never dropped")
	}
}
