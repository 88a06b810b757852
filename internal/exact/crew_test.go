package exact_test

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// crew are the workers of an experiment: several that may fold the views, of which one
// does, and one for the facts.
type crew struct {
	x    *experiment
	hot  []*worker
	cold *worker
	// stopped is the worker that stands still, or nil.
	stopped *worker
}

func (x *experiment) startCrew() *crew {
	x.t.Helper()
	c := &crew{x: x, cold: x.start("cold")}
	for range hotWorkers {
		c.hot = append(c.hot, x.start("hot"))
	}
	return c
}

func (c *crew) kill() {
	c.cold.kill()
	for _, w := range c.hot {
		w.kill()
	}
}

// fault lets a worker that was stopped go on, and does something to one.
func (c *crew) fault() {
	c.x.t.Helper()
	c.resume()
	i := c.x.r.IntN(hotWorkers)
	switch k := c.x.r.IntN(8); {
	case k < 2:
		c.cold.kill()
		c.cold = c.x.start("cold")
		c.x.tally.kills++
	case k < 4:
		c.hot[i].kill()
		c.hot[i] = c.x.start("hot")
		c.x.tally.kills++
	case k < 5:
		c.hot[i].end(c.x)
		c.hot[i] = c.x.start("hot")
		c.x.tally.ends++
	default:
		c.stopOwner()
	}
}

// stopOwner stops the worker that folds, wherever it is just then, until another has
// taken over; it goes on at the next fault.
func (c *crew) stopOwner() {
	c.x.t.Helper()
	var owner *worker
	var lease string
	c.x.until("a worker folds", func() bool {
		var process int
		err := c.x.db.Pool.QueryRow(c.x.t.Context(), `select owner::text, process from readside.leases where expires_at > now()`).Scan(&lease, &process)
		for _, w := range c.hot {
			if err == nil && w.cmd.Process.Pid == process {
				owner = w
			}
		}
		return owner != nil
	})
	_ = owner.cmd.Process.Signal(syscall.SIGSTOP)
	c.stopped = owner
	c.x.until("another worker has taken over", func() bool {
		var now string
		err := c.x.db.Pool.QueryRow(c.x.t.Context(), `select owner::text from readside.leases`).Scan(&now)
		return err == nil && now != lease
	})
	c.x.tally.stops++
}

func (c *crew) resume() {
	if c.stopped != nil {
		_ = c.stopped.cmd.Process.Signal(syscall.SIGCONT)
		c.stopped = nil
	}
}

// until asks again until the condition holds, bounded by the tests' patience.
func (x *experiment) until(what string, condition func() bool) {
	x.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	give := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-give:
			x.t.Fatalf("waited %s in vain until %s", patience, what)
		}
	}
}

// tally counts what was done.
type tally struct {
	mu                               sync.Mutex
	runs, events, kills, ends, stops int
}

func (t *tally) add(other *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs += other.runs
	t.events += other.events
	t.kills += other.kills
	t.ends += other.ends
	t.stops += other.stops
}

func (t *tally) String() string {
	return fmt.Sprintf("%d events, %d workers killed, %d ended, %d stopped past their lease", t.events, t.kills, t.ends, t.stops)
}
