package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
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
	f.exec(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$`)
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

// A handler's fault halts the projector right before the event, says why where
// operators look, and mended code goes on from there.
func TestFaultHaltsBeforeTheEvent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.append(streamed{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "good"}})
	bad := f.append(streamed{"t2", talkProposed{ID: "t2", Speaker: "p1", Title: "bad"}})
	last := f.append(streamed{"t3", talkProposed{ID: "t3", Speaker: "p1", Title: "behind"}})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := f.projector(mustSet(t, "bad"), 100, nil).Run(ctx)
	var fault *projections.FoldError
	if !errors.As(err, &fault) || !errors.Is(err, errBroken) {
		t.Fatalf("the projector answered %v, not the handler's fault", err)
	}
	if fault.View != "talk" || fault.Key != "t2" || fault.Position != bad || fault.Hint == "" {
		t.Errorf("the fault says %+v", fault)
	}
	if got := f.int(`select place from readside.projectors`); got != int(bad.Place())-1 {
		t.Errorf("the checkpoint stands at %d, the faulty event at %d", got, bad.Place())
	}
	if got := f.int(`select count(*) from views.talk_v1_g1`); got != 1 {
		t.Errorf("%d talks are in the table, not the one before the fault", got)
	}
	if got := f.int(`select count(*) from readside.projectors where state = 'halted' and fault->>'key' = 't2' and fault->>'view' = 'talk' and fault->>'hint' <> ''`); got != 1 {
		t.Error("the projector's row does not say why it halted")
	}

	mended := mustSet(t, "")
	f.catchUp(mended, 100, last)
	f.mustVerify(mended)
	if got := f.int(`select count(*) from readside.projectors where state = 'halted'`); got != 0 {
		t.Error("the mended projector is still marked halted")
	}
}

// An event that cannot be decoded halts the projector like a handler's fault.
func TestUndecodableEventHalts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.append(streamed{"t1", talkProposed{ID: "t1", Speaker: "p1"}})
	f.exec(`insert into eventlog.events (source, stream, version, id, type, schema_version, time, data)
	  values (current_user, 't2', 1, 'x', 'test.TalkProposed', 9, now(), '{}')`)
	err := f.projector(mustSet(t, ""), 100, nil).Run(t.Context())
	var fault *projections.FoldError
	if !errors.As(err, &fault) || fault.Type != "test.TalkProposed" {
		t.Fatalf("the projector answered %v, not a fault", err)
	}
	if got := f.int(`select count(*) from views.talk_v1_g1`); got != 1 {
		t.Errorf("%d talks are in the table, not the one before the fault", got)
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
	_, err := engine.Verify(t.Context(), engine.VerifyConfig{Projector: "main", Log: f.log, Postgres: f.config, Set: set})
	if !errors.Is(err, eventlog.ErrForeignPosition) {
		t.Errorf("verify answered %v", err)
	}
}
