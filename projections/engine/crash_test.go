package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/operate/verify"
)

// ratings is a story whose rows count: an event folded twice shows.
func ratings(f *fixture, n int) eventlog.Position {
	events := []streamed{{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "one"}}}
	for range n {
		events = append(events, streamed{"ratings", talksRated{[]string{"t1"}, 1}})
	}
	return f.append(events...)
}

// ratings2 is one more rating of the same talk.
func ratings2(f *fixture) eventlog.Position {
	return f.append(streamed{"ratings", talksRated{[]string{"t1"}, 1}})
}

// until asks again until the condition holds, bounded by the tests' patience.
func (f *fixture) until(what string, condition func() bool) {
	f.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	give := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-give:
			f.t.Fatalf("waited %s in vain until %s", patience, what)
		}
	}
}

func (f *fixture) int(sql string, args ...any) (n int) {
	f.t.Helper()
	if err := f.db.Pool.QueryRow(f.t.Context(), sql, args...).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Pool.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

// A batch whose checkpoint cannot be moved must leave no row behind.
func TestRowsAndCheckpointShareATransaction(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	f.exec(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'the disk is full' using errcode = 'disk_full'; end $$`)
	f.exec(`create trigger refuse before update of place on readside.projectors for each row execute function refuse()`)

	last := f.append(streamed{"ratings", talksRated{[]string{"t1"}, 1}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	folded := make(chan eventlog.Position, 100)
	done := make(chan error, 1)
	go func() { done <- f.projector(set, 100, folded).Run(ctx) }()
	f.until("the worker has tried and failed", func() bool { return f.warnings.Load() > 0 })
	if got := f.int(`select stars from views.talk_v1_g1 where id = 't1'`); got != 3 {
		t.Errorf("the rows moved without the checkpoint: %d stars, not 3", got)
	}
	f.exec(`drop trigger refuse on readside.projectors`)
	for at := range folded {
		if at.Place() >= last.Place() {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := f.int(`select stars from views.talk_v1_g1 where id = 't1'`); got != 4 {
		t.Errorf("4 ratings of one star were folded into %d stars", got)
	}
}

// A copy of the log (a promoted standby, a restore, a dump) takes the checkpoints along, so
// that nothing is folded again. One beyond the end of the log stays, and is refused: its views
// hold what the log does not have, and others would get those places.
func TestACopyOfTheLogTakesItsCheckpointsAlong(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 10))
	folded, epoch := f.int(`select folded from readside.projectors`), f.int(`select epoch from readside.projectors`)
	f.exec(`update readside.leases set expires_at = now() + interval '1 hour', backend_pid = pg_backend_pid()`)
	f.exec(`update eventlog.incarnations set timeline = 77`)
	if _, err := eventlog.Open(t.Context(), f.db.Pool); err != nil { // some other program is the first there
		t.Fatal(err)
	}
	if n := f.int(`select count(*) from readside.projectors p join eventlog.log l on l.incarnation = p.incarnation where p.folded = ` + fmt.Sprint(folded) + ` and p.epoch > ` + fmt.Sprint(epoch)); n != 1 {
		t.Fatalf("%d checkpoints went along", n)
	}
	if n := f.int(`select count(*) from readside.leases where expires_at > clock_timestamp() or backend_pid <> 0`); n != 0 {
		t.Errorf("%d leases name server processes of the server before", n)
	}
	f.catchUp(set, 100, ratings(f, 5)) // with a log that was open all the time
	if now, all := f.int(`select folded from readside.projectors`), f.int(`select count(*) from eventlog.events`); now != all {
		t.Errorf("%d events were folded of %d, each once: it began anew", now, all)
	}
	if n := f.int(`select max(generation) from readside.views`); n != 1 {
		t.Errorf("generation %d of a view was made", n)
	}

	// The log alone was set back; the views were not.
	f.exec(`delete from eventlog.events where position = (select max(position) from eventlog.events)`)
	f.exec(`update eventlog.incarnations set timeline = 78 where number = (select max(number) from eventlog.incarnations)`)
	if err := f.projector(set, 100, nil).Run(t.Context()); !errors.Is(err, eventlog.ErrForeignPosition) || !strings.Contains(err.Error(), "project again") {
		t.Errorf("a checkpoint beyond the end of the log: %v", err)
	}
	if n := f.int(`select count(*) from readside.projectors p join eventlog.log l on l.incarnation = p.incarnation`); n != 0 {
		t.Error("a checkpoint beyond the end of the log went along")
	}
}

// A checkpoint of another incarnation of the log is refused, not misread.
func TestForeignCheckpointIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 1))
	f.exec(`update readside.projectors set incarnation = incarnation + 1`)
	if err := f.projector(set, 100, nil).Run(t.Context()); !errors.Is(err, eventlog.ErrForeignPosition) {
		t.Errorf("the projector answered %v", err)
	}
	_, err := verify.Views(t.Context(), verify.Config{Application: dbtest.Application, Projector: "main", Log: f.log, Postgres: f.config, Set: set})
	if !errors.Is(err, eventlog.ErrForeignPosition) {
		t.Errorf("verify answered %v", err)
	}
}
