package exact_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
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
	"github.com/readside/readside/projections/shop"
)

// A worker is this test binary started again with these set: a process of its own,
// so that it can be killed like one.
const (
	workerKind       = "EXACT_WORKER"
	workerPostgres   = "EXACT_POSTGRES_URL"
	workerClickHouse = "EXACT_CLICKHOUSE_URL"
	workerBatch      = "EXACT_BATCH"
	workerCache      = "EXACT_CACHE_BYTES"
	workerTTL        = "EXACT_LEASE_TTL"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(workerKind); kind != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := runWorker(ctx, kind); err != nil {
			fmt.Fprintln(os.Stderr, "worker", kind, err)
			os.Exit(1)
		}
		return
	}
	dbtest.Main(m)
}

func runWorker(ctx context.Context, kind string) error {
	batch, err := strconv.Atoi(os.Getenv(workerBatch))
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, os.Getenv(workerPostgres))
	if err != nil {
		return err
	}
	defer pool.Close()
	log, err := eventlog.Open(ctx, pool)
	if err != nil {
		return err
	}
	set, err := shop.Set()
	if err != nil {
		return err
	}
	if kind == "hot" {
		config, err := pgx.ParseConfig(os.Getenv(workerPostgres))
		if err != nil {
			return err
		}
		cache, err := strconv.Atoi(os.Getenv(workerCache))
		if err != nil {
			return err
		}
		ttl, err := time.ParseDuration(os.Getenv(workerTTL))
		if err != nil {
			return err
		}
		p, err := engine.New(engine.Config{Application: dbtest.Application, Log: log, Postgres: config, Set: set, BatchEvents: batch, CacheBytes: cache, LeaseTTL: ttl})
		if err != nil {
			return err
		}
		return p.Run(ctx)
	}
	conn, err := openClickHouse(os.Getenv(workerClickHouse))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	p, err := cold.Open(ctx, cold.Config{Application: dbtest.Application, Log: log, Pool: pool, ClickHouse: conn, Set: set, BatchRows: batch, FlushEvery: flushEvery})
	if err != nil {
		return err
	}
	return p.Run(ctx)
}

// worker is a running process.
type worker struct {
	cmd  *exec.Cmd
	done chan error
	errs *strings.Builder
}

func (x *experiment) start(kind string) *worker {
	x.t.Helper()
	w := &worker{done: make(chan error, 1), errs: &strings.Builder{}}
	w.cmd = exec.Command(os.Args[0])
	w.cmd.Env = append(os.Environ(),
		workerKind+"="+kind,
		workerPostgres+"="+x.db.RoleURL("readside_projector"),
		workerClickHouse+"="+x.ch.URL,
		workerTTL+"="+ttl.String(),
		workerCache+"="+strconv.Itoa(caches[x.r.IntN(len(caches))]),
		workerBatch+"="+strconv.Itoa(batches[kind][x.r.IntN(len(batches[kind]))]),
	)
	w.cmd.Stderr = w.errs
	if err := w.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	go func() { w.done <- w.cmd.Wait() }()
	return w
}

// batches are the sizes that a worker may be started with. A cold batch costs an
// insert and two transactions, however small it is.
var batches = map[string][]int{
	"hot":  {1, 3, 17, 100, 1000, 10_000},
	"cold": {40, 150, 1000},
}

// caches are the sizes that a worker may be started with: none, a few rows, many, all.
var caches = []int{-1, 3_000, 100_000, 0}

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
		x.t.Fatalf("a worker that was asked to end did not in %s:\n%s", patience, w.errs)
	}
}
