package exact_test

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// crew are the workers of an experiment: several that may fold the views, of which one
// does, one for the facts, and one service that reacts.
type crew struct {
	x              *experiment
	hot            []*worker
	cold, reaction *worker
	// stopped is the worker that stands still, or nil.
	stopped *worker
	// beside is a rebuild on its way; nil while there is none.
	beside chan error
}

func (x *experiment) startCrew() *crew {
	x.t.Helper()
	c := &crew{x: x, cold: x.start(x.draw(writes)), reaction: x.start(x.draw(reacts))}
	for range hotWorkers {
		c.hot = append(c.hot, x.start(x.draw(folds)))
	}
	return c
}

// each calls do with the place of every worker.
func (c *crew) each(do func(**worker)) {
	do(&c.cold)
	do(&c.reaction)
	for i := range c.hot {
		do(&c.hot[i])
	}
}

func (c *crew) kill() {
	c.each(func(w **worker) { (*w).kill() })
}

func (c *crew) String() string {
	var out strings.Builder
	if c == nil {
		return ""
	}
	c.each(func(w **worker) {
		fmt.Fprintf(&out, "%s, process %d: %.3000s\n", (*w).job.Kind, (*w).cmd.Process.Pid, (*w).errs)
	})
	return out.String()
}

// tend starts workers again that ended since a store failed, as a supervisor does. No
// worker ends for another reason.
func (c *crew) tend() {
	c.x.t.Helper()
	c.each(func(w **worker) {
		if !(*w).ended() {
			return
		}
		if (*w).faults == c.x.crashes.Load() {
			c.x.t.Fatalf("worker %s ended by itself:\n%s", (*w).job.Kind, (*w).errs)
		}
		*w = c.x.start((*w).job)
		c.x.tally.count("workers ended with their store", 1)
	})
}

// fault lets a worker that was stopped go on, and does something to workers, stores or events.
func (c *crew) fault() {
	c.x.t.Helper()
	c.resume()
	c.tend()
	name, do := c.drawFault()
	do()
	c.x.tally.count(name, 1)
}

// drawFault draws what happens next, and how it goes about it.
func (c *crew) drawFault() (name string, do func()) {
	x, i := c.x, c.x.r.IntN(hotWorkers)
	faults := []struct {
		weight int
		name   string
		do     func()
	}{
		{2, "fact workers killed", func() { c.cold.kill(); c.cold = x.start(x.draw(writes)) }},
		{2, "view workers killed", func() { c.hot[i].kill(); c.hot[i] = x.start(x.draw(folds)) }},
		{1, "reactions killed", func() { c.reaction.kill(); c.reaction = x.start(x.draw(reacts)) }},
		{1, "workers ended", func() { c.hot[i].end(x); c.hot[i] = x.start(x.draw(folds)) }},
		{3, "workers stopped past their lease", c.stopOwner},
		{2, "server processes ended", x.endServerProcess},
		{3, "server processes killed", func() { x.killBackend(x.r.IntN(2) == 0, x.r.IntN(1000)) }},
		{1, "restarts of Postgres", x.restartPostgres},
		{2, "restarts of ClickHouse", x.restartClickHouse},
		{2, "views rebuilt", func() { c.joinRebuild(); x.rebuild(x.drawView(), x.r.IntN(2) == 0) }},
		{2, "views rebuilt through the next faults", c.startRebuild},
		{1, "rows rebuilt", x.rebuildRow},
		{1, "facts rebuilt", x.rebuildFacts},
		{2, "rounds of an operator who retries", func() { x.operator(x.r.IntN(2) == 0).retry() }},
		{3, "rounds of an operator who retries and discards", func() { c.joinRebuild(); x.operator(true).clear() }},
	}
	all := 0
	for _, f := range faults {
		all += f.weight
	}
	drawn := x.r.IntN(all)
	for _, f := range faults {
		if drawn -= f.weight; drawn < 0 {
			return f.name, f.do
		}
	}
	panic("unreachable")
}

// finish brings the mended program everywhere, waits until it has caught up, and clears
// what is parked.
func (c *crew) finish() {
	x := c.x
	x.t.Helper()
	c.resume()
	c.joinRebuild()
	c.kill()
	c.each(func(w **worker) {
		job := (*w).job
		job.Program.Mended = true
		*w = x.start(job)
	})
	x.catchUp(c)
	// A row's next hopeless event parks when the one before was given up.
	o := x.operator(true)
	x.until("nothing waits any more", func() bool {
		c.tend()
		o.clear()
		return x.nothingWaits()
	})
	x.catchUp(c)
}

// stopOwner stops the worker that folds, wherever it is just then, until another has
// taken over; it goes on at the next fault.
func (c *crew) stopOwner() {
	c.x.t.Helper()
	var owner *worker
	var lease string
	c.x.until("a worker folds", func() bool {
		c.tend()
		var process int
		err := c.x.db.Pool.QueryRow(c.x.t.Context(), `select owner::text, process from readside.leases where expires_at > now() and projector not like '%+%'`).Scan(&lease, &process)
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
		c.tend()
		var now string
		err := c.x.db.Pool.QueryRow(c.x.t.Context(), `select owner::text from readside.leases where projector not like '%+%'`).Scan(&now)
		return err == nil && now != lease
	})
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
