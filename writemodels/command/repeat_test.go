package command_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

// once is a command that can be carried out once: its customer then refuses it.
type once struct{ version int64 }

func (w *once) Load(b *pgx.Batch) {
	b.Queue(`select version from shop_identity.customers where id = 'ada' for update`).
		QueryRow(func(row pgx.Row) error { return row.Scan(&w.version) })
}

func (w *once) Decide(time.Time) (command.Decision, error) {
	if w.version > 1 {
		return command.Decision{}, command.Conflict("done-already", "", "ada is at version %d", w.version)
	}
	return command.Decision{
		Answer: command.Answer{ID: "ada"},
		Streams: []command.Stream{{
			Name: "customer-ada", Version: w.version, Events: []contract.Event{contract.CustomerRenamed{CustomerID: "ada", Name: "Ada King"}},
		}},
	}, nil
}

func (w *once) Save(b *pgx.Batch) {
	b.Queue(`update shop_identity.customers set version = version + 1 where id = 'ada'`)
}

// A client that sends a command again while its first try waits for a lock gets the
// first one's answer, and not the refusal of what was done already.
func TestARepetitionThatWaitedForTheFirstGetsItsAnswer(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.send(t, "POST", "/customers", ada, nil)
	ctx, cancel := context.WithTimeout(t.Context(), testWait)
	defer cancel()
	blocker, err := s.db.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(ctx, `select from shop_identity.customers where id = 'ada' for update`); err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		answer command.Answer
		err    error
	}
	outcomes := make(chan outcome, 2)
	key := command.KeyOf("k1", "POST", "/once", nil)
	for range cap(outcomes) {
		go func() {
			a, err := s.executor.Do(ctx, command.Cause{CorrelationID: "c", CausationID: "c"}, key, func() command.Work { return &once{} })
			outcomes <- outcome{a, err}
		}()
	}
	for waiting := 0; waiting < cap(outcomes); {
		err := s.db.Pool.QueryRow(ctx, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := blocker.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	first, second := <-outcomes, <-outcomes
	if err := errors.Join(first.err, second.err); err != nil {
		t.Fatalf("of two tries of one command: %v", err)
	}
	if diff := cmp.Diff(first.answer, second.answer); diff != "" {
		t.Errorf("the answers differ: %s", diff)
	}
	if n := len(s.events(t)); n != 2 {
		t.Errorf("%d events, want the registration and one renaming", n)
	}
}
