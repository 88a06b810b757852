package cold

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// refusedTurn is one turn of a projector that ClickHouse refuses rows in.
func (b *bench) refusedTurn(p *Projector) {
	b.t.Helper()
	ctx := bounded(b.t)
	err := p.run(ctx, func() {})
	if !p.suspect(ctx, err) {
		b.t.Fatalf("the turn ended with %v, not with a refusal", err)
	}
}

// stepsUntilReady are those of a projector's next turn, until it has brought to an end
// what was left planned.
func (b *bench) stepsUntilReady(p *Projector) (steps []step) {
	b.t.Helper()
	ready := errors.New("ready")
	p.at = func(s step) error {
		steps = append(steps, s)
		if s == stepReady {
			return ready
		}
		return nil
	}
	if err := p.run(bounded(b.t), func() {}); !errors.Is(err, ready) {
		b.t.Fatalf("the next turn: %v", err)
	}
	return steps
}

// The worker that was refused knows that nothing of its blocks is on its way, and spends
// no token to look for the event to blame.
func TestARefusedBatchIsTakenBackAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.refusedBench()
	b.refusedTurn(p)
	if steps := b.stepsUntilReady(p); slices.Contains(steps, stepSpent) || !slices.Contains(steps, stepWithdrawn) {
		t.Errorf("the next turn took the steps %v: without stepSpent, with stepWithdrawn were wanted", steps)
	}
}

// A worker may die after the refusal and before it has taken the blocks back: the next one
// is refused the same rows, and finds the event to blame.
func TestARefusalOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.refusedBench()
	b.refusedTurn(p)
	to, err := b.log.Head(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	p = b.runTo(to, b.uninterrupted)
	b.parked(1)
	b.exact(p)
}

// uninterrupted fails the test when the projector tries something again.
func (b *bench) uninterrupted(c *Config) {
	c.Observer.Interrupted = func(err error) { b.t.Fatalf("interrupted: %v", err) }
}

// So is the retry of a parked event that is refused again.
func TestARefusedRetryOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(faulty("error"))
	b.runTo(to)
	b.parked(1)
	b.exec("ALTER TABLE readings_v1_g1 ADD CONSTRAINT none CHECK value < -1000")
	b.sql("update readside.cold_parked set state = 'retrying'")
	b.dieAt(stepPlanned, 1, mended(t))
	p := b.runTo(to, mended(t), b.uninterrupted)
	b.parked(1)
	b.exec("ALTER TABLE readings_v1_g1 DROP CONSTRAINT none")
	b.sql("update readside.cold_parked set state = 'retrying'")
	p = b.runTo(to, mended(t))
	b.parked(0)
	b.exact(p)
}

// What a worker knows of its own blocks says nothing of another's, which worked between
// its turns and died with blocks on their way.
func TestARefusalSaysNothingOfAnothersBlocks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.refusedBench()
	b.refusedTurn(p)
	b.dieAt(stepWithdrawing, 1) // it was refused too
	if steps := b.stepsUntilReady(p); !slices.Contains(steps, stepSpent) {
		t.Errorf("the next turn took the steps %v: the other's tokens were not spent", steps)
	}
}

// refusedBench is a projector whose next batch will be refused.
func (b *bench) refusedBench() *Projector {
	b.t.Helper()
	b.runTo(b.append(measurements(2)...))
	b.exec("ALTER TABLE readings_v1_g1 ADD CONSTRAINT no_seventy CHECK value != 70")
	events := measurements(20)
	e := events[4].(measured)
	e.Values = []int64{3, 70}
	events[4] = e
	b.append(events...)
	return b.open()
}

// A block whose fate is open decides, not one that was refused beside it.
func TestTheWorstErrorDecides(t *testing.T) {
	t.Parallel()
	refused, open := &refusedError{err: errors.New("refused")}, context.DeadlineExceeded
	for _, errs := range [][]error{{refused, nil, open}, {open, refused}, {nil, open, nil}} {
		if got := worst(errs); !errors.Is(got, open) {
			t.Errorf("worst(%v) = %v", errs, got)
		}
	}
	if got := worst([]error{nil, refused, nil}); !errors.Is(got, refused) {
		t.Errorf("of a refusal alone: %v", got)
	}
	if got := worst([]error{nil, nil}); got != nil {
		t.Errorf("of no error: %v", got)
	}
}
