package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
)

// A worker process is this test binary started again with these set, so that it can be
// stopped and killed like one.
const (
	workerURL = "ENGINE_WORKER_POSTGRES_URL"
	workerTTL = "ENGINE_WORKER_LEASE_TTL"
)

// asWorker runs a worker where this process is one.
func asWorker() bool {
	url := os.Getenv(workerURL)
	if url == "" {
		return false
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := work(ctx, url); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
	return true
}

func work(ctx context.Context, url string) error {
	ttl, err := time.ParseDuration(os.Getenv(workerTTL))
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	log, err := eventlog.Open(ctx, pool)
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	set, err := newSet("")
	if err != nil {
		return err
	}
	p, err := newDesk(engine.Config{Application: dbtest.Application, Log: log, Postgres: config, Set: set, LeaseTTL: ttl, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// process is a worker in a process of its own.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	says *strings.Builder
}

func (f *fixture) process(ttl time.Duration) *process {
	f.t.Helper()
	p := &process{cmd: exec.Command(os.Args[0]), done: make(chan struct{}), says: &strings.Builder{}}
	p.cmd.Env = append(os.Environ(), workerURL+"="+f.db.RoleURL("readside_projector"), workerTTL+"="+ttl.String())
	p.cmd.Stderr = p.says
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	f.t.Cleanup(func() { p.signal(syscall.SIGKILL); <-p.done })
	return p
}

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// stop returns when p stands still: of a process without a core, some threads continue for
// a while after SIGSTOP was sent, for long enough to commit a batch.
func (f *fixture) stop(p *process) {
	f.t.Helper()
	p.signal(syscall.SIGSTOP)
	f.until("every thread of the worker stands still", p.standsStill)
}

// standsStill reports whether every thread is stopped, by /proc; where there is none, nobody
// can say, and the signal was sent.
func (p *process) standsStill() bool {
	if _, err := os.Stat("/proc/self/task"); err != nil {
		return true
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
	for _, name := range threads {
		status, _ := os.ReadFile(name)
		if !strings.Contains(string(status), "\nState:\tT") {
			return false
		}
	}
	return err == nil && len(threads) > 0
}

// leased is a projector with a lease of ttl.
func (f *fixture) leased(set *projections.Set, ttl time.Duration, folded chan<- eventlog.Position) *desk {
	f.t.Helper()
	p, err := newDesk(engine.Config{
		Application: dbtest.Application,
		Log:         f.log, Postgres: f.config, Set: set, LeaseTTL: ttl, BatchEvents: 100,
		Logger:   slog.New(slog.NewTextHandler(f.t.Output(), nil)),
		Observer: engine.Observer{Folded: func(x engine.Folded) { folded <- x.Position }},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// runs starts p; the function that it returns ends it.
func (f *fixture) runs(p *desk) (stop func()) {
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return func() {
		f.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	}
}

func (f *fixture) reach(folded <-chan eventlog.Position, p eventlog.Position) {
	f.t.Helper()
	give := time.After(patience)
	for {
		select {
		case at := <-folded:
			if at.Place() >= p.Place() {
				return
			}
		case <-give:
			f.t.Fatalf("waited %s in vain for place %d:\n%s", patience, p.Place(), f.whoWaits())
		}
	}
}

// whoWaits returns where everything stands, for a test that waited in vain.
func (f *fixture) whoWaits() string {
	f.t.Helper()
	var said string
	err := f.db.Pool.QueryRow(f.t.Context(), `select coalesce(string_agg(line, E'\n'), '') from (
  select format('process %s (%s) %s %s/%s, waits for %s: %s', pid, application_name, state, wait_event_type, wait_event, pg_blocking_pids(pid), left(query, 120)) as line
    from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
  union all select format('projector %s: place %s, epoch %s, %s, %s', name, place, epoch, state, fault) from readside.projectors
  union all select format('lease of %s: process %s, backend %s, over in %s', projector, process, backend_pid, expires_at - clock_timestamp()) from readside.leases) s`).Scan(&said)
	if err != nil {
		return err.Error()
	}
	return said
}

// manyTalks are so many new rows that they go by COPY.
func manyTalks(f *fixture, from, n int) eventlog.Position {
	events := make([]streamed, n)
	for i := range events {
		id := fmt.Sprintf("t%d", from+i)
		events[i] = streamed{id, talkProposed{ID: id, Speaker: "p1", Title: "many"}}
	}
	return f.append(events...)
}

// A worker that is stopped inside a COPY for longer than its lease is replaced; its
// locks are gone, and when it continues it writes nothing.
func TestWorkerStoppedInACopyIsRelieved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 1))
	gate := f.gateCopies()

	const ttl = time.Second
	stopped := f.process(ttl)
	last := manyTalks(f, 1000, 200)
	gate.reached()
	f.stop(stopped)
	old := f.int(`select backend_pid from readside.leases`)
	gate.open()
	folded := make(chan eventlog.Position, 10_000)
	stop := f.runs(f.leased(set, ttl, folded))
	defer stop()
	f.reach(folded, last)
	if got := f.int(`select count(*) from pg_locks where pid = $1`, old); got != 0 {
		t.Errorf("the stopped worker still has %d locks", got)
	}
	owner := f.int(`select backend_pid from readside.leases`)
	stopped.signal(syscall.SIGCONT)
	for i := range 20 {
		last = manyTalks(f, 2000+30*i, 30)
		f.reach(folded, last)
	}
	f.mustVerify(set)
	if now := f.int(`select backend_pid from readside.leases`); now != owner {
		t.Errorf("the worker that was stopped took the projector back: backend %d, not %d:\n%s", now, owner, stopped.says)
	}
}

// A worker that ends hands over at once, however long its lease would last.
func TestWorkerThatEndsHandsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	const ttl = 10 * time.Minute
	first, second := make(chan eventlog.Position, 1000), make(chan eventlog.Position, 1000)
	stopFirst := f.runs(f.leased(set, ttl, first))
	f.reach(first, ratings(f, 3))
	defer f.runs(f.leased(set, ttl, second))()
	stopFirst()
	f.reach(second, ratings2(f))
	f.mustVerify(set)
}

// So does one that is killed: its server process is gone.
func TestKilledWorkerIsRelieved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	const ttl = 10 * time.Minute
	last := ratings(f, 3)
	killed := f.process(ttl)
	f.until("the worker has folded", func() bool {
		return f.int(`select coalesce((select place from readside.projectors), 0)`) >= int(last.Place())
	})
	killed.signal(syscall.SIGKILL)
	<-killed.done
	folded := make(chan eventlog.Position, 1000)
	defer f.runs(f.leased(set, ttl, folded))()
	f.reach(folded, ratings2(f))
	f.mustVerify(set)
}

// While one works, a second one waits; it does not fold.
func TestOfTwoWorkersOneFolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	first, second := make(chan eventlog.Position, 1000), make(chan eventlog.Position, 1000)
	defer f.runs(f.leased(set, time.Second, first))()
	f.reach(first, ratings(f, 3))
	defer f.runs(f.leased(set, time.Second, second))()
	f.until("the second worker waits", func() bool {
		return f.int(`select count(*) from pg_stat_activity where datname = current_database() and application_name = 'readside lease'`) == 2
	})
	owner := f.int(`select backend_pid from readside.leases`)
	started := f.int(`select extract(epoch from expires_at)::int from readside.leases`)
	f.until("the lease was renewed several times", func() bool {
		f.reach(first, ratings2(f))
		return f.int(`select extract(epoch from expires_at)::int from readside.leases`) >= started+3
	})
	if len(second) > 0 || f.int(`select backend_pid from readside.leases`) != owner {
		t.Error("the second worker folded too")
	}
	f.mustVerify(set)
}

// A guest that changes rows raises the epoch; the owner drops what it knows and begins from scratch.
func TestBatchOfALowerEpochIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	folded := make(chan eventlog.Position, 1000)
	defer f.runs(f.leased(set, time.Minute, folded))()
	f.reach(folded, ratings(f, 3))
	owner := f.int(`select backend_pid from readside.leases`)
	f.exec(`begin; update readside.projectors set epoch = epoch + 1; update views.talk_v1_g1 set stars = 40 where id = 't1'; commit`)
	f.reach(folded, ratings2(f))
	if got := f.int(`select stars from views.talk_v1_g1 where id = 't1'`); got != 41 {
		t.Errorf("40 stars and one more are %d", got)
	}
	if f.int(`select backend_pid from readside.leases`) != owner {
		t.Error("the owner gave its lease away, or its connection")
	}
}

// A lease that cannot be renewed ends the work.
func TestLostLeaseEndsTheWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	folded := make(chan eventlog.Position, 1000)
	defer f.runs(f.leased(set, 300*time.Millisecond, folded))()
	f.reach(folded, ratings(f, 3))
	before := f.int(`select epoch from readside.projectors`)
	f.exec(`update readside.leases set owner = gen_random_uuid(), expires_at = now()`)
	f.until("the worker took the lease anew", func() bool { return f.int(`select epoch from readside.projectors`) > before })
	f.reach(folded, ratings2(f))
	f.mustVerify(set)
}
