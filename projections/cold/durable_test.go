package cold

import (
	"syscall"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// Where commits do not wait for the disk, a crash of Postgres loses the last ones. It must not
// lose the plan of blocks that are in ClickHouse: they would be planned and sent once more.
func TestACrashThatLosesCommitsDoublesNoFact(t *testing.T) {
	t.Parallel()
	for _, at := range []step{stepSent, stepInserted} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			cluster := dbtest.PostgresCluster(t, embedded.PostgresOptions{Settings: map[string]string{"synchronous_commit": "off"}})
			ch := dbtest.ClickHouse(t)
			b := newLogBenchOn(t, cluster.Database(t))
			b.cfg.ClickHouse = ch.Conn
			b.dropMartAtEnd(ch.Database)
			b.runTo(b.append(measurements(6)...))
			b.append(measurements(6)...)
			// The events are on the disk; nothing later is, unless its commit waits for that.
			b.sql("checkpoint")
			var writer int
			if err := b.db.Pool.QueryRow(bounded(t), `select pid from pg_stat_activity where backend_type = 'walwriter'`).Scan(&writer); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(writer, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			b.dieAt(at, 1)
			b.crash()
			// With more events the next batch is another one, whatever its number.
			b.exact(b.runTo(b.append(measurements(3)...)))
		})
	}
}

// crash kills a server process, so that Postgres loses its shared memory with what is not
// written yet, and waits until it has recovered.
func (b *bench) crash() {
	b.t.Helper()
	ctx := bounded(b.t)
	const life = `select coalesce(pg_stat_get_bgwriter_stat_reset_time(), pg_postmaster_start_time())::text`
	var before, now string
	conn, err := b.db.Pool.Acquire(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := conn.QueryRow(ctx, life).Scan(&before); err != nil {
		b.t.Fatal(err)
	}
	if err := syscall.Kill(int(conn.Conn().PgConn().PID()), syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
	conn.Release()
	for now == "" || now == before {
		if ctx.Err() != nil {
			b.t.Fatal("the server did not come back")
		}
		b.db.Pool.Reset()
		if err := b.db.Pool.QueryRow(ctx, life).Scan(&now); err != nil {
			now = ""
		}
	}
	b.pool.Reset()
}
