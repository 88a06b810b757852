package reaction_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	see := func(want string, fits func(reaction.Status) bool) {
		t.Helper()
		ctx := bounded(t)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			head, err := s.log.Head(ctx)
			if err != nil {
				t.Fatal(err)
			}
			all, err := reaction.ReadStatus(ctx, reader, head)
			if err != nil {
				t.Fatal(err)
			}
			if len(all) == 1 && all[0].State == want && fits(all[0]) {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("want %s, see %+v", want, all)
			}
		}
	}
	var broken atomic.Bool
	config := s.config()
	config.RetriesMax, config.DeadInRowMax = 1, 2
	last := s.publish(t, 0, 3)
	r, stop := run(t, config, failing(&broken))
	until(t, r, last)
	see(reaction.StateLive, func(s reaction.Status) bool { return s.Healthy() && s.LagEvents == 0 })
	broken.Store(true)
	s.publish(t, 3, 4)
	see(reaction.StateFailing, func(s reaction.Status) bool {
		return !s.Healthy() && s.DeadLetters == 2 && s.LagEvents > 0 && s.FailingSince != nil && strings.Contains(s.Error, "in a row")
	})
	broken.Store(false)
	see(reaction.StateLive, func(s reaction.Status) bool { return s.DeadLetters == 2 && s.Error == "" && !s.Healthy() })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	see(reaction.StateStalled, func(s reaction.Status) bool { return s.SeenAt != nil })
	if _, err := reaction.ReadStatus(bounded(t), s.pool, r.Position()); err == nil {
		t.Error("a service may read how others do")
	}
}
