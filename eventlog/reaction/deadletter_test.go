package reaction_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
)

// failing is the effect while broken is not set, and fails otherwise.
func failing(broken *atomic.Bool) reaction.Handler {
	return reaction.On(func(ctx context.Context, tx pgx.Tx, e asked, event eventlog.Event) error {
		if broken.Load() {
			return errors.New(`relation "svc.effects" has no column "n"`)
		}
		return effect(ctx, tx, e, event)
	})
}

func (s *service) deadLetters(t testing.TB) (n int) {
	t.Helper()
	if err := s.db.Pool.QueryRow(bounded(t), `select count(*) from svc.dead_letters`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A release that can handle nothing must not turn the log into dead letters.
func TestABrokenReleaseStaysAtAnEvent(t *testing.T) {
	t.Parallel()
	s := newService(t)
	last := s.publish(t, 0, 60)
	var broken atomic.Bool
	broken.Store(true)
	var tries atomic.Int32
	config := s.config()
	config.DeadInRowMax, config.RetriesMax = 10, 1
	config.Around = func(ctx context.Context, _ pgx.Tx, next func(context.Context) error) error {
		tries.Add(1)
		return next(ctx)
	}
	r, _ := run(t, config, failing(&broken))
	// A run of 32 is tried once and its events twice: by then 10 are dead, and more were tried.
	ctx := bounded(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for tries.Load() < 1+2*10+8 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d tries after %s", tries.Load(), testBound)
		}
	}
	if n := s.deadLetters(t); n != 10 {
		t.Fatalf("%d dead letters, want 10", n)
	}
	broken.Store(false)
	until(t, r, last)
	s.wantEffects(t, numbers(10, 50))
	// Those are over: the next faulty event is one by itself.
	broken.Store(true)
	until(t, r, s.publish(t, 60, 1))
	if n := s.deadLetters(t); n != 11 {
		t.Errorf("%d dead letters, want 11", n)
	}
}
