package exact_test

import (
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/shop"
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
	switch k := c.x.r.IntN(13); {
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
	case k < 8:
		c.stopOwner()
	case k < 10:
		c.x.endServerProcess()
	case k < 12:
		c.x.rebuild()
	default:
		c.x.rebuildRow()
	}
}

// endServerProcess ends the server process that writes for the owner, wherever it is.
func (x *experiment) endServerProcess() {
	x.t.Helper()
	if _, err := x.db.Pool.Exec(x.t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity join readside.leases on pid = backend_pid
 where datname = current_database() and application_name = 'readside projector'`); err != nil {
		x.t.Fatal(err)
	}
	x.tally.terminated++
}

// projector is one that works beside the crew, as an operator's commands do.
func (x *experiment) projector() *engine.Projector {
	x.t.Helper()
	set, err := shop.Set()
	if err != nil {
		x.t.Fatal(err)
	}
	config, err := pgx.ParseConfig(x.db.RoleURL("readside_projector"))
	if err != nil {
		x.t.Fatal(err)
	}
	p, err := engine.New(engine.Config{Log: x.log, Postgres: config, Application: shop.Application, Set: set, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		x.t.Fatal(err)
	}
	return p
}

// anyView waits until the views are live and returns the name of one of them.
func (x *experiment) anyView() string {
	x.t.Helper()
	set, err := shop.Set()
	if err != nil {
		x.t.Fatal(err)
	}
	x.until("the views are live", func() bool {
		var live int
		err := x.db.Pool.QueryRow(x.t.Context(), `select count(*) from readside.views where state = 'live'`).Scan(&live)
		return err == nil && live >= len(set.Views())
	})
	return set.Views()[x.r.IntN(len(set.Views()))].Name
}

// rebuild builds a view anew beside the load, and hands it over.
func (x *experiment) rebuild() {
	x.t.Helper()
	view := x.anyView()
	out, err := x.projector().Rebuild(x.t.Context(), view, engine.RebuildOptions{MaxRate: -1})
	if err != nil {
		x.t.Fatal(err)
	}
	if out.Repaired.Count > 0 {
		x.t.Errorf("rebuilding view %s found %d rows that were wrong, the first: %+v", view, out.Repaired.Count, out.Repaired.First[0])
	}
	x.tally.rebuilds++
}

// rebuildRow folds one row anew beside the load.
func (x *experiment) rebuildRow() {
	x.t.Helper()
	x.anyView()
	out, err := x.projector().RebuildKey(x.t.Context(), "account", fmt.Sprintf("c%d", x.r.IntN(12)))
	if err != nil {
		x.t.Fatal(err)
	}
	if out.Repaired != nil {
		x.t.Errorf("row %s of view account was wrong: %+v", out.Key, *out.Repaired)
	}
	x.tally.rows++
}

// stopOwner stops the worker that folds, wherever it is just then, until another has
// taken over; it goes on at the next fault.
func (c *crew) stopOwner() {
	c.x.t.Helper()
	var owner *worker
	var lease string
	c.x.until("a worker folds", func() bool {
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
		var now string
		err := c.x.db.Pool.QueryRow(c.x.t.Context(), `select owner::text from readside.leases where projector not like '%+%'`).Scan(&now)
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
	terminated, rebuilds, rows       int
}

func (t *tally) add(other *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs += other.runs
	t.events += other.events
	t.kills += other.kills
	t.ends += other.ends
	t.stops += other.stops
	t.terminated += other.terminated
	t.rebuilds += other.rebuilds
	t.rows += other.rows
}

func (t *tally) String() string {
	return fmt.Sprintf("%d events, %d workers killed, %d ended, %d stopped past their lease, %d server processes ended, %d views and %d rows rebuilt",
		t.events, t.kills, t.ends, t.stops, t.terminated, t.rebuilds, t.rows)
}
