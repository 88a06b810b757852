package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction/internal/fault"
)

func TestWhoseFaultAnErrorIs(t *testing.T) {
	t.Parallel()
	constraint := &pgconn.PgError{Code: "23505"}
	var conflicts fault.Conflicts
	conflict := &eventlog.VersionConflictError{Stream: "s", Expected: 1, Actual: 2}
	conflicts.Add(conflict)
	for name, c := range map[string]struct {
		err                        error
		own, ofRun, infrastructure bool
	}{
		"a handler's error":              {errors.New("no stock"), true, false, false},
		"of a run":                       {fault.OfRun(3, errors.New("no stock")), false, true, false},
		"a time limit":                   {context.DeadlineExceeded, false, false, true},
		"a connection that ended":        {fmt.Errorf("read: %w", io.EOF), false, false, true},
		"the reactor's own statement":    {fmt.Errorf("%w: begin", fault.ErrConnection), false, false, true},
		"a serialization failure":        {&pgconn.PgError{Code: "40001"}, false, false, true},
		"a constraint":                   {constraint, true, false, false},
		"a constraint at COMMIT":         {fault.OfCommit(constraint), true, false, false},
		"a swallowed error at COMMIT":    {fault.OfCommit(pgx.ErrTxCommitRollback), true, false, false},
		"a COMMIT that was not answered": {fault.OfCommit(io.ErrUnexpectedEOF), false, false, true},
		"a version conflict":             {conflict, false, false, true},
		"one that lasts":                 {conflicts.Err(conflict), true, false, false},
	} {
		if own := fault.IsOwn(c.err); own != c.own {
			t.Errorf("%s: the event's own: %v", name, own)
		}
		if of := fault.IsOfRun(c.err); of != c.ofRun {
			t.Errorf("%s: of a run: %v", name, of)
		}
		if passes := fault.IsInfrastructure(c.err); !c.ofRun && passes != c.infrastructure {
			t.Errorf("%s: the infrastructure's: %v", name, passes)
		}
	}
}

func TestTheSameConflictLastsAndOthersPass(t *testing.T) {
	t.Parallel()
	bounds := fault.Bounds{Retries: 2, Time: time.Hour}
	same := &eventlog.VersionConflictError{Stream: "s", Expected: 1, Actual: 2}
	var c fault.Conflicts
	for try, want := range []struct{ again, lasting bool }{{false, false}, {true, false}, {false, true}} {
		if _, met := c.Add(same); !met || c.Again() != want.again || c.Lasting(bounds) != want.lasting {
			t.Errorf("try %d: met %v, again %v, lasting %v", try, met, c.Again(), c.Lasting(bounds))
		}
	}
	if _, met := c.Add(errors.New("another")); met || c.Lasting(bounds) {
		t.Error("another error did not end the count")
	}
	for try := range int64(100) {
		c.Add(&eventlog.VersionConflictError{Stream: "s", Expected: try, Actual: try + 1})
		if c.Again() || c.Lasting(bounds) {
			t.Fatalf("conflicts that differ each time last at try %d", try)
		}
	}
	if !c.Lasting(fault.Bounds{Retries: 2}) {
		t.Error("conflicts that differ each time last for ever")
	}
	// -1 is another transaction at that very moment, and never the same one again.
	busy := &eventlog.VersionConflictError{Stream: "s", Expected: 1, Actual: -1}
	c = fault.Conflicts{}
	for range 10 {
		if c.Add(busy); c.Again() || c.Lasting(bounds) {
			t.Fatal("a stream that others append to at this moment counts as lasting")
		}
	}
}
