package cold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/readside/readside/eventlog"
)

// dieAt runs a projector that dies the nth time it comes to a step: from there on it
// touches no store, as after SIGKILL.
func (b *bench) dieAt(at step, nth int, change ...func(*Config)) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(bounded(b.t))
	defer cancel()
	p := b.open(change...)
	died := false
	p.at = func(s step) error {
		if s != at {
			return nil
		}
		if nth--; nth > 0 {
			return nil
		}
		died = true
		cancel()
		return ctx.Err()
	}
	if err := p.Run(ctx); err != nil {
		b.t.Fatalf("run: %v", err)
	}
	if !died {
		b.t.Fatalf("the projector never came to step %q", at)
	}
}

// recoveries notes what became of planned blocks.
type recoveries struct {
	mu  sync.Mutex
	how []Recovery
}

func (r *recoveries) note(c *Config) {
	c.Observer.Recovered = func(_ string, how Recovery) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.how = append(r.how, how)
	}
}

func (r *recoveries) count(want Recovery) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, how := range r.how {
		if how == want {
			n++
		}
	}
	return n
}

// Six events in two months make four blocks: two tables with two partitions each.
func TestAWorkerKilledAtEveryStepOfTheLedger(t *testing.T) {
	t.Parallel()
	cases := []struct {
		at            step
		nth           int
		found, resent int
	}{
		{stepPlanned, 1, 0, 4},
		{stepSent, 1, 1, 3},
		{stepSent, 2, 2, 2},
		{stepSent, 3, 3, 1},
		{stepSent, 4, 4, 0},
		{stepInserted, 1, 4, 0},
		{stepDone, 1, 0, 0},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s %d", c.at, c.nth), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			to := b.append(measurements(6)...)
			b.dieAt(c.at, c.nth)
			var r recoveries
			p := b.runTo(to, r.note)
			b.exact(p)
			if r.count(Found) != c.found || r.count(Resent) != c.resent || len(r.how) != c.found+c.resent {
				t.Errorf("recovered %v, want %d found and %d resent", r.how, c.found, c.resent)
			}
			if rows := b.count(qualified(p.Mart(), "readings")); rows != 12 {
				t.Errorf("the mart shows %d rows, want 12", rows)
			}
			to = b.append(measurements(6)...)
			b.exact(b.runTo(to))
		})
	}
}

// The worker that recovers dies too, at each of its own steps, again and again.
func TestAWorkerKilledWhileItRecovers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.dieAt(stepPlanned, 1)
	for nth := range 5 {
		b.dieAt(stepCounted, nth+1)
	}
	b.dieAt(stepInserted, 1)
	b.dieAt(stepDone, 1)
	b.exact(b.runTo(to))
}

// A server killed between its deduplication record and its data knows the token and
// has no rows: here a block is sent under its token and its rows are deleted.
func TestATokenSpentWithoutItsRows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.dieAt(stepSent, 1)
	b.exec("ALTER TABLE readings_v1_g1 DELETE WHERE 1 SETTINGS mutations_sync = 2")
	b.exec("ALTER TABLE totals_v1_g1 DELETE WHERE 1 SETTINGS mutations_sync = 2")
	b.dieAt(stepRenewed, 1) // the new token is in the ledger, nothing was sent under it
	var r recoveries
	p := b.runTo(to, r.note)
	b.exact(p)
	if r.count(Resent) != 4 { // one of them under its second token
		t.Errorf("recovered %v, want 4 resent", r.how)
	}

	to = b.append(measurements(6)...)
	b.dieAt(stepInserted, 1)
	b.exec("ALTER TABLE readings_v1_g1 DELETE WHERE _position > 6 SETTINGS mutations_sync = 2")
	r = recoveries{}
	p = b.runTo(to, r.note)
	b.exact(p)
	if r.count(Renewed) != 2 || r.count(Found) != 2 {
		t.Errorf("recovered %v, want 2 renewed and 2 found", r.how)
	}
}

// A late packet: the dead worker's INSERT arrives after its block was recovered.
func TestALateInsertOfADeadWorker(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	late := b.captureBlocks()
	b.dieAt(stepPlanned, 1, late.capture)
	p := b.runTo(to)
	b.exact(p)
	late.sendAll(t)
	b.exact(p)
}

func TestOtherCodeNeverMixesWithAnOldHalf(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		step step
		nth  int
	}{{stepPlanned, 1}, {stepSent, 2}, {stepInserted, 1}} {
		t.Run(fmt.Sprintf("%s %d", at.step, at.nth), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			to := b.append(measurements(6)...)
			late := b.captureBlocks()
			b.dieAt(at.step, at.nth, late.capture)
			b.cfg.Set = testSet(t, 10) // the handler multiplies now
			b.dieAt(stepWithdrawn, 1)
			b.dieAt(stepWithdrawn, 3)
			var r recoveries
			p := b.runTo(to, r.note)
			b.exact(p)
			if r.count(Withdrawn) != 4 {
				t.Errorf("recovered %v, want 4 withdrawn", r.how)
			}
			late.sendAll(t) // the old code's packets come last of all
			b.exact(p)
		})
	}
}

func TestABlockThatSomebodyDamagedHalts(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"rows deleted": "ALTER TABLE readings_v1_g1 DELETE WHERE _position = 3 SETTINGS mutations_sync = 2",
		"rows changed": "ALTER TABLE readings_v1_g1 UPDATE value = 77 WHERE _position = 3 SETTINGS mutations_sync = 2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.append(measurements(6)...)
			b.dieAt(stepInserted, 1)
			b.exec(damage)
			p := b.open()
			var torn *TornBlockError
			if err := p.Run(bounded(t)); !errors.As(err, &torn) {
				t.Fatalf("run answered %v, want a *TornBlockError", err)
			}
			s, err := p.Status(bounded(t))
			if err != nil {
				t.Fatal(err)
			}
			if s.State != StateHalted || s.Fault == nil || s.Fault.Table != "readings_v1_g1" || s.Fault.Hint == "" {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// A block that comes after its time is refused by the table itself.
func TestABlockAfterItsTimeIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(1)...)
	b.runTo(to)
	err := b.cfg.ClickHouse.Exec(bounded(t), "INSERT INTO totals_v1_g1 (gauge, at, _expires) VALUES ('late', '2026-01-01 00:00:00', now() - 1)")
	if err == nil {
		t.Fatal("a late block went in")
	}
	b.exec("INSERT INTO totals_v1_g1 (gauge, at, _expires) VALUES ('in time', '2026-01-01 00:00:00', now() + 60)")
}

func TestTwoWorkersAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	b.append(measurements(50)...)
	reached := make(chan eventlog.Position, 1000)
	var running sync.WaitGroup
	for range 3 {
		p := b.open(func(c *Config) {
			c.BatchRows = 40
			c.Observer.Written = func(w Written) { reached <- w.Position }
		})
		running.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for range 5 {
		to := b.append(measurements(50)...)
		b.waitFor(reached, to)
		// The one that works loses its connection, and with it the lock.
		if _, err := b.db.Pool.Exec(ctx, `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())`); err != nil {
			t.Fatal(err)
		}
	}
	b.waitFor(reached, b.append(measurements(50)...))
	cancel()
	running.Wait()
	b.exact(b.open())
}

// A worker that does not notice that it lost the lock plans and finishes nothing.
func TestAFencedWorkerWritesNothing(t *testing.T) {
	t.Parallel()
	for _, at := range []step{stepPlanned, stepSent, stepInserted} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			to := b.append(measurements(6)...)
			p := b.open()
			ctx, cancel := context.WithCancel(bounded(t))
			defer cancel()
			first := true
			p.at = func(s step) error {
				if s != at || !first {
					return nil
				}
				first = false
				// Meanwhile another takes over and finishes; the lock is out of its way.
				if _, err := b.db.Pool.Exec(ctx, `update readside.cold_checkpoint set epoch = epoch + 1`); err != nil {
					t.Error(err)
				}
				return nil
			}
			fenced := b.capturedErrors(p)
			p.cfg.Observer.Written = func(w Written) {
				if w.Position == to {
					cancel()
				}
			}
			if err := p.Run(ctx); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(fenced(), func(line string) bool { return contains(line, errFenced.Error()) }) {
				t.Errorf("nothing was fenced: %v", fenced())
			}
			b.exact(p)
		})
	}
}
