package reaction_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
)

// A retry handles an event once, however many operators order it, and keeps it with its
// new reason where it fails; what is discarded is kept and never handled.
func TestDeadLettersAreHandledAgainOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 4)
	var broken atomic.Bool
	broken.Store(true)
	config := s.config()
	config.RetriesMax = 1
	r, _ := run(t, config, failing(&broken))
	until(t, r, last)
	desk := reaction.NewDesk(r)
	letters, err := desk.List(bounded(t), "")
	if err != nil || len(letters) != 4 {
		t.Fatalf("%d dead letters, %v", len(letters), err)
	}
	if err := desk.Retry(bounded(t), letters[0]); err == nil || !strings.Contains(err.Error(), "failed again") {
		t.Errorf("the handler is broken, but the retry returned %v", err)
	}
	if n := s.deadLetters(t); n != 4 {
		t.Errorf("%d dead letters are left of 4", n)
	}
	broken.Store(false)
	var retries sync.WaitGroup
	var handled, gone atomic.Int32
	for range 4 {
		retries.Go(func() {
			switch err := desk.Retry(bounded(t), letters[0]); {
			case err == nil:
				handled.Add(1)
			case errors.Is(err, reaction.ErrNoDeadLetter):
				gone.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	retries.Wait()
	if handled.Load() != 1 || gone.Load() != 3 {
		t.Errorf("%d retries handled it, %d found it gone", handled.Load(), gone.Load())
	}
	if err := desk.Discard(bounded(t), letters[1]); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"discard": desk.Discard(bounded(t), letters[1]), "retry": desk.Retry(bounded(t), letters[1])} {
		if !errors.Is(err, reaction.ErrNoDeadLetter) {
			t.Errorf("%s of what is discarded: %v", what, err)
		}
	}
	s.wantEffects(t, []int{0})
	if _, err := desk.List(bounded(t), "nonsense"); err == nil || !strings.Contains(err.Error(), "svc") {
		t.Errorf("a reaction that is none: %v", err)
	}
	if letters, err = desk.List(bounded(t), "svc"); err != nil || len(letters) != 3 || letters[0].DiscardedAt == nil || letters[1].DiscardedAt != nil {
		t.Errorf("the list is %+v, %v", letters, err)
	}
}

// Operators see of every reaction where it stands, and why it does not move.
func TestStatusOfReactions(t *testing.T) {
	t.Parallel()
	s := newService(t)
	reader := s.db.Role(t, "readside_reader")
	see := func(what string, fits func(reaction.Status) bool) {
		t.Helper()
		ctx := bounded(t)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			all, err := reaction.ReadStatus(ctx, reader)
			if err != nil {
				t.Fatal(err)
			}
			if len(all) == 1 && fits(all[0]) {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("want that it %s, see %+v", what, all)
			}
		}
	}
	var broken atomic.Bool
	config := s.config()
	config.RetriesMax, config.DeadInRowMax = 1, 2
	last := s.publish(t, 0, 3)
	r, stop := run(t, config, failing(&broken))
	until(t, r, last)
	see("has handled all", func(s reaction.Status) bool {
		return s.Alive && s.FailingSince == nil && s.DeadLetters == 0 && s.Waiting == nil
	})
	broken.Store(true)
	s.publish(t, 3, 4)
	see("fails", func(s reaction.Status) bool {
		return s.Alive && s.DeadLetters == 2 && s.Waiting != nil && s.FailingSince != nil && strings.Contains(s.Error, "in a row")
	})
	own, err := r.Status(bounded(t), s.pool)
	if err != nil || len(own) != 1 || own[0].FailingSince == nil {
		t.Errorf("of its own the service reads %+v (%v)", own, err)
	}
	broken.Store(false)
	see("has recovered", func(s reaction.Status) bool {
		return s.Alive && s.FailingSince == nil && s.DeadLetters == 2 && s.Error == ""
	})
	// Events of other types pass: on a quiet log it is not behind for ever.
	s.pass(t, r)
	see("has passed what does not concern it", func(s reaction.Status) bool { return s.Waiting == nil })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	see("has ended", func(s reaction.Status) bool { return !s.Alive && s.MovedAt != nil })
	if _, err := reaction.ReadStatus(bounded(t), s.pool); err == nil {
		t.Error("a service may read how others do")
	}
}

// pass appends events that the reaction does not handle, and waits each time until it has
// passed them: of two in a row it stores the second one later.
func (s *service) pass(t *testing.T, r *reaction.Reactor) {
	t.Helper()
	for range 2 {
		e, err := eventlog.NewEvent(other{}, eventlog.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		var last eventlog.Position
		err = pgx.BeginFunc(bounded(t), s.pool, func(tx pgx.Tx) (err error) {
			last, err = s.log.Append(bounded(t), tx, eventlog.Append{Stream: "other-" + e.ID, Events: []eventlog.Event{e}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		until(t, r, last)
	}
}
