package exact_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// ground is the servers of one experiment at a time: it may kill them.
type ground struct {
	postgres   *dbtest.Cluster
	clickHouse *embedded.ClickHouse
}

// startGrounds starts as many as experiments run at the same time.
func startGrounds(t *testing.T, n int) chan *ground {
	t.Helper()
	grounds := make(chan *ground, n)
	for range n {
		grounds <- &ground{
			dbtest.PostgresCluster(t, embedded.PostgresOptions{}),
			dbtest.ClickHouseServer(t, embedded.ClickHouseOptions{Readable: []string{"*"}}),
		}
	}
	return grounds
}

// breaking does something that may break whatever uses a store meanwhile.
func (x *experiment) breaking(do func()) {
	x.broken.Store(true)
	x.crashes.Add(1)
	do()
	x.crashes.Add(1)
	x.broken.Store(false)
}

// excused reports whether a store failed since crashes were counted, or does now.
func (x *experiment) excused(crashes int64) bool {
	return x.broken.Load() || x.crashes.Load() != crashes
}

// endServerProcess ends the server process that writes for the owner, wherever it is.
func (x *experiment) endServerProcess() {
	x.t.Helper()
	x.breaking(func() {
		if _, err := x.db.Pool.Exec(x.t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity join readside.leases on pid = backend_pid
 where datname = current_database() and application_name = 'readside projector'`); err != nil {
			x.t.Fatal(err)
		}
	})
}

// killBackend kills a server process by SIGKILL, the lease holder's or one of all, so that
// Postgres ends all others and recovers.
func (x *experiment) killBackend(owner bool, drawn int) {
	x.t.Helper()
	rows, err := x.db.Pool.Query(x.t.Context(), `select pid from pg_stat_activity where backend_type = 'client backend' and datname = current_database() and pid <> pg_backend_pid()
 order by $1 and pid in (select backend_pid from readside.leases) desc, pid`, owner)
	if err != nil {
		x.t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil || len(pids) == 0 {
		x.t.Fatalf("there is no server process to kill: %v", err)
	}
	if owner {
		drawn = 0
	}
	x.crash(func() {
		if err := syscall.Kill(pids[drawn%len(pids)], syscall.SIGKILL); err != nil {
			x.t.Fatal(err)
		}
	})
}

// restartPostgres kills the whole server and starts it again.
func (x *experiment) restartPostgres() {
	x.t.Helper()
	x.crash(func() {
		if err := x.ground.postgres.Kill(x.t.Context()); err != nil {
			x.t.Fatal(err)
		}
		if err := x.ground.postgres.Restart(x.t.Context()); err != nil {
			x.t.Fatal(err)
		}
	})
}

// crash makes Postgres lose its shared memory, and waits until it has recovered.
func (x *experiment) crash(how func()) {
	x.t.Helper()
	life := func() (postmaster, statistics time.Time, err error) {
		err = x.db.Pool.QueryRow(x.t.Context(), `select pg_postmaster_start_time(), coalesce(pg_stat_get_bgwriter_stat_reset_time(), pg_postmaster_start_time())`).Scan(&postmaster, &statistics)
		return postmaster, statistics, err
	}
	postmaster, statistics, err := life()
	if err != nil {
		x.t.Fatal(err)
	}
	x.breaking(func() {
		how()
		x.until("Postgres has recovered", func() bool {
			p, s, err := life()
			return err == nil && !(p.Equal(postmaster) && s.Equal(statistics))
		})
	})
	x.db.Pool.Reset() // whose connections are all broken
}

// restartClickHouse kills the server and starts it again.
func (x *experiment) restartClickHouse() {
	x.t.Helper()
	x.breaking(func() {
		if err := x.ground.clickHouse.Kill(x.t.Context()); err != nil {
			x.t.Fatal(err)
		}
		if err := x.ground.clickHouse.Restart(x.t.Context()); err != nil {
			x.t.Fatal(err)
		}
	})
}
