package engine_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/rebuild"
)

// roomSet is rooms alone: other definitions than those of cards.
func roomSet(t *testing.T) *projections.Set {
	t.Helper()
	rooms := rooms()
	set, err := projections.NewSet(&rooms)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// formerCards is a fixture whose former definitions, of cards, nobody has worked for
// since two days; those of roomSet are in use.
func formerCards(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	last := f.append(streamed{"c1", cardOpened{"c1", ""}}, streamed{"r1", roomOpened{"r1", "one"}})
	f.catchUp(cardSet(t, false), 100, last)
	f.catchUp(roomSet(t), 100, last)
	f.longAgo(cardSet(t, false))
	return f
}

// longAgo sets back when somebody last worked for a set's projector.
func (f *fixture) longAgo(set *projections.Set) {
	f.t.Helper()
	name := engine.ProjectorName("main", set)
	f.exec(`update readside.projectors set updated_at = now() - interval '2 days' where name = $1`, name)
	f.exec(`update readside.leases set expires_at = now() - interval '2 days' where projector = $1`, name)
}

// Where somebody still reads one of a projector's tables, all of it stays, or a
// rollback would find half of it; the next time it goes.
func TestFormerDefinitionsAreDroppedAsAWhole(t *testing.T) {
	t.Parallel()
	f := formerCards(t)
	former, now := cardSet(t, false), roomSet(t)
	reader, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), `select from views.card_v1_g1`); err != nil {
		t.Fatal(err)
	}
	f.catchUp(now, 100, f.append(streamed{"r2", roomOpened{"r2", "two"}}))
	if got := f.int(`select count(*) from readside.views where projector = $1`, engine.ProjectorName("main", former)); got != 2 {
		t.Errorf("%d of the former definitions' 2 views are left while one is read", got)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.catchUp(former, 100, f.append(streamed{"c2", cardOpened{"c2", "r2"}}))
	f.mustVerify(former)

	f.longAgo(former)
	f.catchUp(now, 100, f.append(streamed{"r3", roomOpened{"r3", "three"}}))
	if tables, projectors := f.int(`select count(*) from pg_tables where schemaname = 'views'`), f.int(`select count(*) from readside.projectors`); tables != 1 || projectors != 1 {
		t.Errorf("%d tables and %d projectors are left, and one is in use", tables, projectors)
	}
}

// What cannot be dropped stays, with a warning: the owner's work continues.
func TestOwnerFoldsOnWhereDroppingFails(t *testing.T) {
	t.Parallel()
	f := formerCards(t)
	f.exec(`alter table views.card_v1_g1 owner to current_user`)
	f.catchUp(roomSet(t), 100, f.append(streamed{"r2", roomOpened{"r2", "two"}}))
	f.mustVerify(roomSet(t))
	if f.warnings.Load() != 1 {
		t.Errorf("%d warnings, not the one of the table that cannot be dropped", f.warnings.Load())
	}
	if got := f.int(`select count(*) from readside.views`); got != 3 {
		t.Errorf("%d of 3 views are left, though a table could not be dropped", got)
	}
}

// keeping is a projector whose former definitions stay for a time.
func (f *fixture) keeping(set *projections.Set, keep time.Duration) *desk {
	f.t.Helper()
	p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: set, RollbackWindow: keep,
		Logger: slog.New(counter{slog.NewTextHandler(f.t.Output(), nil), &f.warnings})})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// Former definitions that somebody works for stay, whatever the time for a rollback.
func TestFormerDefinitionsOfALivingWorkerStay(t *testing.T) {
	t.Parallel()
	f := formerCards(t)
	former, now := cardSet(t, false), roomSet(t)
	stop := f.runs(f.keeping(former, 0))
	f.until("it is owned", func() bool { return f.int(`select count(*) from readside.leases where expires_at > now()`) == 1 })
	f.exec(`update readside.projectors set updated_at = now() - interval '2 days'`)
	table := f.int(`select 'views.card_v1_g1'::regclass::oid::int`)
	stopNow := f.runs(f.keeping(now, -time.Hour))
	last := f.append(streamed{"r2", roomOpened{"r2", "two"}})
	f.until("both have folded", func() bool {
		return f.int(`select count(*) from readside.projectors where place = $1`, int(last.Place())) == 2
	})
	stopNow()
	stop()
	f.mustVerify(former)
	if f.int(`select coalesce(to_regclass('views.card_v1_g1')::oid::int, 0)`) != table {
		t.Error("the former definitions were dropped under their worker")
	}

	stopNow = f.runs(f.keeping(now, -time.Hour))
	f.until("nobody works for them: they go", func() bool { return f.int(`select count(*) from readside.projectors`) == 1 })
	stopNow()
}

// interrupt orders a rebuild, and ends it before it compares.
func (f *fixture) interrupt(p *desk, view string) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	_, err := p.Rebuild(ctx, view, rebuild.Options{Progress: func(p rebuild.Progress) {
		if p.Phase == rebuild.PhaseComparing {
			cancel()
		}
	}})
	if err == nil || f.int(`select count(*) from readside.projectors where rebuilds is not null`) != 1 {
		f.t.Fatalf("the rebuild was not interrupted: %v", err)
	}
}

// An interrupted rebuild that nobody orders again goes, when a rollback's time is over.
func TestForgottenRebuildIsDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := cardSet(t, false)
	f.catchUp(set, 100, f.append(streamed{"c1", cardOpened{"c1", ""}}))
	f.interrupt(f.projector(set, 100, nil), "card")
	f.catchUp(set, 100, f.append(streamed{"c2", cardOpened{"c2", ""}}))
	if f.int(`select count(*) from readside.projectors`) != 2 {
		t.Error("a rebuild that was interrupted a moment ago cannot go on")
	}
	f.exec(`update readside.leases set expires_at = now() - interval '2 days'`)
	f.exec(`update readside.projectors set updated_at = now() - interval '2 days'`)
	f.catchUp(set, 100, f.append(streamed{"c3", cardOpened{"c3", ""}}))
	if tables := f.int(`select count(*) from pg_tables where schemaname = 'views'`); tables != 2 || f.int(`select count(*) from readside.projectors`) != 1 {
		t.Errorf("the rebuild that nobody ordered again stays; there are %d tables", tables)
	}
	f.mustVerify(set)
}

// Between the look for what is forgotten and the locks somebody may have gone back to
// former definitions: the second look, under the locks, finds that, and nothing goes.
func TestAProjectorThatIsWorkedForAgainIsNotDropped(t *testing.T) {
	t.Parallel()
	f := formerCards(t)
	former := cardSet(t, false)
	f.catchUp(former, 100, f.append(streamed{"c2", cardOpened{"c2", ""}}))
	conn, err := pgx.ConnectConfig(t.Context(), f.config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	dropped, err := control.DropProjector(t.Context(), conn, engine.ProjectorName("main", former), 24*time.Hour, time.Minute)
	if err != nil || dropped {
		t.Errorf("dropped %v, error %v, though somebody works for it again", dropped, err)
	}
	f.mustVerify(former)
}
