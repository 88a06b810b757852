package clickhousehttp

import (
	"context"
	"sync"
	"time"
)

// quotaWindow is the time over which a user's statements are counted.
const quotaWindow = time.Minute

// turns are one user's places and quota: nobody waits for a statement of another user.
type turns struct {
	user   string
	limits Limits
	slots  chan struct{}
	here   chan struct{} // those that run and those that wait

	mu         sync.Mutex
	began      time.Time // of the quota's window
	statements int
	busy       time.Duration
}

func newTurns(u *User) *turns {
	return &turns{
		user: u.Name, limits: u.Limits,
		slots: make(chan struct{}, u.Limits.Slots),
		here:  make(chan struct{}, u.Limits.Slots+u.Limits.Waiting),
	}
}

// take waits for a place, which release gives back. It refuses where too many wait
// already, and where the quota is used up: late, so that a client that asks again and again
// keeps no processor busy.
func (t *turns) take(ctx context.Context) (release func(), err error) {
	if err := t.charge(time.Now()); err != nil {
		return nil, t.late(ctx, err)
	}
	select {
	case t.here <- struct{}{}:
	default:
		return nil, t.late(ctx, t.tooMany())
	}
	late := time.NewTimer(t.limits.WaitMax)
	defer late.Stop()
	select {
	case t.slots <- struct{}{}:
		began := time.Now()
		return func() {
			t.ran(time.Since(began))
			<-t.slots
			<-t.here
		}, nil
	case <-late.C:
		err = t.tooMany()
	case <-ctx.Done():
		err = ctx.Err()
	}
	<-t.here
	return nil, err
}

// late returns a refusal when its time has come.
func (t *turns) late(ctx context.Context, refusal error) error {
	timer := time.NewTimer(t.limits.RefuseAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
		return refusal
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *turns) tooMany() error {
	return exception(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many statements of user %s: %d run at once, %d more may wait for %v. Ask again later.",
		t.user, t.limits.Slots, t.limits.Waiting, t.limits.WaitMax)
}

// charge counts a statement, or refuses it.
func (t *turns) charge(now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.began) >= quotaWindow {
		t.began, t.statements, t.busy = now, 0, 0
	}
	l := t.limits
	if l.StatementsMax > 0 && t.statements >= l.StatementsMax || l.BusyMax > 0 && t.busy >= l.BusyMax {
		return exception(201, "QUOTA_EXCEEDED", "The quota of user %s is used up: %d statements or %v of their time in %v. Ask again in %v.",
			t.user, l.StatementsMax, l.BusyMax, quotaWindow, (quotaWindow - now.Sub(t.began)).Round(time.Second))
	}
	t.statements++
	return nil
}

func (t *turns) ran(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy += took
}
