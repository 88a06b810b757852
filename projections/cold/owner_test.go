package cold

import (
	"context"
	"errors"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
)

// stranger is a bench with a Postgres of its own and the ClickHouse of another.
func (b *bench) stranger(name string) *bench {
	b.t.Helper()
	db := dbtest.PostgresOf(b.t, name)
	log, err := eventlog.Open(bounded(b.t), db.Pool)
	if err != nil {
		b.t.Fatal(err)
	}
	s := &bench{t: b.t, db: db, log: log, pool: db.Role(b.t, "readside_projector"), cfg: b.cfg}
	s.cfg.Application, s.cfg.Log, s.cfg.Pool = name, log, s.pool
	return s
}

func refusedAs(t *testing.T, what string, err error, owner, asks string) {
	t.Helper()
	var refused *application.OtherError
	if !errors.As(err, &refused) || refused.Owner != owner || refused.Asks != asks {
		t.Errorf("%s: %v; want that %q is told of %q", what, err, asks, owner)
	}
}

// Another application's program is refused by either store, and so is a copy of the
// same application with a log of its own: it would drop tables of the same names.
func TestAnotherApplicationsFactsStay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.runTo(b.append(measurements(6)...))

	wrong := b.cfg
	wrong.Application = "conference"
	_, err := Open(bounded(t), wrong)
	refusedAs(t, "Postgres", err, dbtest.Application, "conference")
	s := b.stranger("conference")
	_, err = Open(bounded(t), s.cfg)
	refusedAs(t, "ClickHouse", err, dbtest.Application, "conference")
	copied := b.stranger(dbtest.Application)
	_, err = Open(bounded(t), copied.cfg)
	refusedAs(t, "a copy", err, dbtest.Application+" of log "+p.logName(), dbtest.Application+" of log "+logOf(copied))

	// A worker that was open before the database was recorded is refused, too.
	late := &Projector{cfg: s.cfg, database: p.database, at: func(step) error { return nil }, silenceMax: silenceMax, comeBackAfter: comeBackAfter}
	late.cfg.defaults()
	late.cfg.Mart = p.Mart()
	refusedAs(t, "a late worker", late.Run(bounded(t)), dbtest.Application, "conference")
	b.exact(p)
	if rows := b.count(qualified(p.Mart(), "readings")); rows == 0 {
		t.Error("the mart shows nothing any more")
	}
}

func logOf(b *bench) string {
	id, _, _ := b.log.Start().Parts()
	return id.String()
}

// ClickHouse of the version before has no record: it is taken over where the ledger
// knows all tables of facts, and refused where it does not.
func TestFactsOfTheVersionBeforeAreTakenOver(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.runTo(b.append(measurements(6)...))
	b.exec("DROP VIEW " + qualified(p.database, ownerView))
	s := b.stranger("conference")
	var strange *StrangeTablesError
	if err := s.open().Run(bounded(t)); !errors.As(err, &strange) || len(strange.Tables) != 2 {
		t.Errorf("another application with an empty ledger: %v", err)
	}
	p = b.runTo(b.append(measurements(3)...))
	if recorded, err := p.recorded(bounded(t)); err != nil || !recorded {
		t.Errorf("it is not recorded: %v", err)
	}
	b.exact(p)
}

// A table that no cold projector made is nobody's to drop, whatever its name.
func TestATableOfThatNameIsNotDropped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.exec("CREATE TABLE readings_v1_g1 (note String) ENGINE = MergeTree ORDER BY note")
	b.exec("INSERT INTO readings_v1_g1 VALUES ('an analyst''s')")
	b.append(measurements(3)...)
	var strange *StrangeTablesError
	if err := b.open().Run(bounded(t)); !errors.As(err, &strange) {
		t.Errorf("it ran: %v", err)
	}
	if rows := b.count("readings_v1_g1"); rows != 1 {
		t.Errorf("the table has %d rows", rows)
	}
}

// What programs of former definitions may still read stays for the rollback window.
func TestFactsOfFormerDefinitionsStayForARollback(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.cfg.KeepFormer = 0 // the default, a day
	p := b.runTo(b.append(measurements(6)...))
	before := b.count(qualified(p.Mart(), "totals"))
	set, err := projections.NewSet(readings(1))
	if err != nil {
		t.Fatal(err)
	}
	b.cfg.Set = set // totals is gone
	p = b.runTo(b.append(measurements(2)...))
	if rows := b.count(qualified(p.Mart(), "totals")); rows != before || before == 0 {
		t.Errorf("the view of a fact that is gone has %d rows, want %d", rows, before)
	}
	if _, err := b.db.Pool.Exec(bounded(t), `update readside.cold_watermarks set retired_at = now() - interval '25 hours' where retired_at is not null`); err != nil {
		t.Fatal(err)
	}
	p = b.runTo(b.append(measurements(2)...))
	if err := b.cfg.ClickHouse.Exec(context.Background(), "SELECT count() FROM "+qualified(p.Mart(), "totals")); err == nil {
		t.Error("when the window was over the view stayed")
	}
	b.exact(p)
}
