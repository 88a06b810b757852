package exact_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/engine"
)

// A worker is this test binary started again with a job: a process of its own, so that
// it can be killed like one.
const jobVariable = "EXACT_JOB"

// kind is what a worker does.
type kind string

const (
	folds  kind = "hot"
	writes kind = "cold"
	reacts kind = "reaction"
)

// job is what a worker is started with.
type job struct {
	Kind                 kind
	Postgres, ClickHouse string
	Program              program
	// Batch is in events for views and in rows for facts; Cache is in bytes.
	Batch, Cache int
	// BuildAbove is how many places a log must have for a build slice by slice.
	BuildAbove int
	LeaseTTL   time.Duration
}

func TestMain(m *testing.M) {
	if text := os.Getenv(jobVariable); text != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		var j job
		err := json.Unmarshal([]byte(text), &j)
		if err == nil {
			err = j.run(ctx)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker", j.Kind, err)
			os.Exit(1)
		}
		return
	}
	dbtest.Main(m)
}

func (j job) run(ctx context.Context) error {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	pool, err := pgxpool.New(ctx, j.Postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	log, err := eventlog.Open(ctx, pool)
	if err != nil {
		return err
	}
	switch j.Kind {
	case folds:
		return j.fold(ctx, log)
	case writes:
		return j.write(ctx, log, pool)
	default:
		r, err := j.Program.reactor(log, pool)
		if err != nil {
			return err
		}
		return r.Run(ctx)
	}
}

func (j job) fold(ctx context.Context, log *eventlog.Log) error {
	set, err := j.Program.set()
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(j.Postgres)
	if err != nil {
		return err
	}
	p, err := engine.New(engine.Config{Application: dbtest.Application, Log: log, Postgres: config, Set: set, Program: j.Program.name(),
		BatchEvents: j.Batch, CacheBytes: j.Cache, BuildAbove: j.BuildAbove, LeaseTTL: j.LeaseTTL})
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

func (j job) write(ctx context.Context, log *eventlog.Log, pool *pgxpool.Pool) error {
	set, err := j.Program.set()
	if err != nil {
		return err
	}
	conn, err := openClickHouse(j.ClickHouse)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	p, err := cold.Open(ctx, cold.Config{Application: dbtest.Application, Log: log, Pool: pool, ClickHouse: conn, Set: set, BatchRows: j.Batch, FlushEvery: flushEvery})
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// draw is a job of a kind, its sizes and its program drawn.
func (x *experiment) draw(k kind) job {
	j := job{Kind: k, Postgres: x.db.RoleURL("readside_projector"), ClickHouse: x.ch.URL, LeaseTTL: *ttl, Program: x.program(x.r.IntN(2) == 0)}
	j.Cache = caches[x.r.IntN(len(caches))]
	j.BuildAbove = builds[x.r.IntN(len(builds))]
	if sizes := batches[k]; sizes != nil {
		j.Batch = sizes[x.r.IntN(len(sizes))]
	}
	if k == reacts {
		j.Postgres = x.db.RoleURL(serviceRole)
	}
	return j
}

// batches are the sizes that a worker may be started with. A cold batch costs an
// insert and two transactions, however small it is.
var batches = map[kind][]int{
	folds:  {1, 3, 17, 100, 1000, 10_000},
	writes: {40, 150, 1000},
}

// caches are the sizes that a worker may be started with: none, a few rows, many, all.
var caches = []int{-1, 3_000, 100_000, 0}

// builds are how long a log must be for a first build slice by slice: never, soon, not here.
var builds = []int{-1, 50, 0}

// worker is a running process.
type worker struct {
	job  job
	cmd  *exec.Cmd
	done chan struct{}
	errs *strings.Builder
	// faults are the store's failures before it was started.
	faults int64
}

func (x *experiment) start(j job) *worker {
	x.t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		x.t.Fatal(err)
	}
	w := &worker{job: j, done: make(chan struct{}), errs: &strings.Builder{}, faults: x.crashes.Load()}
	w.cmd = exec.Command(os.Args[0])
	w.cmd.Env = append(os.Environ(), jobVariable+"="+string(text))
	w.cmd.Stderr = w.errs
	if err := w.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	go func() { _ = w.cmd.Wait(); close(w.done) }()
	return w
}

// ended reports whether the process has ended.
func (w *worker) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// kill ends the process as a power cut would.
func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	<-w.done
}

// end asks the process to end, and waits until it has.
func (w *worker) end(x *experiment) {
	x.t.Helper()
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.done:
	case <-time.After(patience):
		w.kill()
		x.t.Fatalf("a worker that was asked to end did not in %s:\n%s", patience, w.errs)
	}
}
