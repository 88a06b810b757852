package drill_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
)

// answeredWithin is how soon after the old server died the views answer with everything
// that the new one has.
const answeredWithin = 10 * time.Second

// A drill of the ground giving way: under load the primary is killed, and a copy of it that
// has lost the last events takes its place. How it was copied is each test's.
//
//	load ─▶ the copy gets no more ─▶ more load ─▶ facts of it are in ClickHouse ─▶ kill -9
//	     ─▶ the copy takes over ─▶ queries answer within 10 s ─▶ more load ─▶ all exact

// A standby is promoted that did not get the last commits.
func TestFailoverToAStandby(t *testing.T) {
	d := newFailover(t)
	standby := copyOf(d.primary, "standby", "-R")
	standby.start()
	d.run(standby, func() {
		d.readsFromTheStandby(standby)
		execute(t, standby.pool(), `alter system set primary_conninfo = ''`)
		execute(t, standby.pool(), `select pg_reload_conf()`)
		until(t, "the standby gets no more", func(ctx context.Context) bool {
			return number(t, standby.pool(), `select count(*) from pg_stat_wal_receiver`) == 0
		})
		d.saysThatItIsCutOff()
	}, func() { execute(t, standby.pool(), `select pg_promote()`) }, "")
}

// The server is restored to a moment before, from a base backup and the archived WAL.
func TestRestoreToAnEarlierPoint(t *testing.T) {
	d := newFailover(t)
	archive := d.primary.dir + ".archive"
	if err := os.Mkdir(archive, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(archive, 0o777); err != nil { // not every umask lets it
		t.Fatal(err)
	}
	execute(t, d.admin, fmt.Sprintf(`alter system set archive_command = 'cp %%p %s/%%f'`, archive))
	execute(t, d.admin, `select pg_reload_conf()`)
	restored := copyOf(d.primary, "restored")
	restored.configure(fmt.Sprintf("restore_command = 'cp %s/%%f %%p'", archive), "recovery_target_name = 'before'", "recovery_target_action = 'promote'", "archive_mode = off")
	if err := os.WriteFile(filepath.Join(restored.dir, "recovery.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d.run(restored, func() {
		execute(t, d.admin, `select pg_create_restore_point('before')`)
		var file string
		if err := d.admin.QueryRow(t.Context(), `select pg_walfile_name(pg_switch_wal())`).Scan(&file); err != nil {
			t.Fatal(err)
		}
		until(t, "the WAL up to there is archived", func(context.Context) bool {
			_, err := os.Stat(filepath.Join(archive, file))
			return err == nil
		})
	}, restored.start, "")
}

// A dump is restored into a new cluster. Facts wait until an operator says that it is no
// copy beside the original.
func TestDumpIntoANewCluster(t *testing.T) {
	d := newFailover(t)
	fresh := newCluster(t, filepath.Dir(d.primary.dir), "fresh")
	fresh.start()
	d.run(fresh, func() {
		roles := filepath.Join(filepath.Dir(d.primary.dir), "roles.sql")
		globals := runClient(t, "pg_dumpall", "-d", d.primary.url("postgres"), "--globals-only")
		if err := os.WriteFile(roles, []byte(strings.Replace(string(globals), "CREATE ROLE postgres;", "", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		runClient(t, "pg_dump", "-d", d.primary.url(drillDatabase), "-Fc", "-f", d.primary.dir+".dump")
		runClient(t, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", roles, fresh.url("postgres"))
	}, func() {
		// The database appears whole, so that no program opens half of it.
		execute(t, d.poolAt(fresh, "postgres"), `create database restoring`)
		runClient(t, "pg_restore", "-d", fresh.url("restoring"), "--exit-on-error", d.primary.dir+".dump")
		execute(t, d.poolAt(fresh, "postgres"), `alter database restoring rename to `+drillDatabase)
	}, "take-over")
}

// run is the drill. confirm says that facts wait for an operator.
func (d *failover) run(copied *cluster, last, takeOver func(), confirm string) {
	t := d.t
	d.services(copied)
	closed := d.open()
	d.shopping(d.admin)
	until(t, "facts are shown", func(context.Context) bool {
		return number(t, d.admin, `select count(*) from readside.cold_checkpoint where shown_generation = generation and place > 0`) == 1
	})
	kept := place(t, d.admin)
	last()
	token := eventlog.NewPosition(d.log, d.incarnation(d.admin), kept)
	before := d.generations(d.admin)
	d.shopping(d.admin)
	lost := place(t, d.admin)
	until(t, "facts of events that will be lost are in ClickHouse", func(context.Context) bool {
		return number(t, d.admin, `select place from readside.cold_checkpoint`) >= lost
	})
	if lost <= kept {
		t.Fatalf("nothing is lost: the log ends at place %d of %d", lost, kept)
	}

	d.primary.kill()
	began := time.Now()
	takeOver()
	stood := time.Since(began)
	now := copied.pool()
	d.answers(now, token)
	took := time.Since(began)
	had := number(t, now, `select max(began_after) from eventlog.incarnations`)
	t.Logf("%s: %d places were lost; queries answered with all rows %.1f s after the kill, of which the copy took %.1f s", t.Name(), lost-had, took.Seconds(), stood.Seconds())
	if took-stood > answeredWithin {
		t.Errorf("queries answered %v after the copy stood", took-stood)
	}
	if code := d.query(token.At(lost)).code(); code != "FOREIGN_POSITION" {
		t.Errorf("a token of a lost event: %q", code)
	}
	if confirm != "" {
		d.asksFirst(now)
	}
	d.shopping(now)
	closed()
	d.settled(now)
	if after := d.generations(now); after != before {
		t.Errorf("tables were made anew:\n%s\nbefore:\n%s", after, before)
	}
	if folded, events := number(t, now, `select folded from readside.projectors`), number(t, now, `select count(*) from eventlog.events`); folded > events {
		t.Errorf("%d events were folded of %d: some twice", folded, events)
	}
	d.exact()
}

// asksFirst fails unless the facts stand still, with what was there before, until an operator
// confirms that the original is gone.
func (d *failover) asksFirst(now *pgxpool.Pool) {
	d.t.Helper()
	until(d.t, "the facts ask whether ClickHouse is theirs", func(context.Context) bool {
		return number(d.t, now, `select count(*) from readside.cold_checkpoint where state = 'halted' and fault::text like '%another copy%'`) == 1
	})
	d.takeFacts()
}

// place is the end of a log.
func place(t *testing.T, pool *pgxpool.Pool) int64 {
	t.Helper()
	return number(t, pool, `select max(position) from eventlog.events`)
}

func number(t *testing.T, pool *pgxpool.Pool, sql string) (n int64) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func execute(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// reply is what a GraphQL client gets.
type reply struct {
	Errors []struct {
		Message    string
		Extensions struct{ Code string }
	}
	Extensions struct {
		Freshness struct {
			Reached bool
			Views   []struct {
				View, State, Position string
				AgeMs, LagEvents      int64
			}
		}
	}
}

func (r *reply) code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	return r.Errors[0].Extensions.Code
}

const drillQuery = `{ accounts(first: 1) { nodes { customerId } } }`

// ask sends a query with a token, which it does not wait for.
func ask(t *testing.T, url string, token eventlog.Position) *reply {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": drillQuery, "extensions": map[string]any{"position": token.String(), "waitMs": 0}})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	r := &reply{}
	if err := json.NewDecoder(response.Body).Decode(r); err != nil {
		t.Fatal(err)
	}
	return r
}

// answers waits until a query is answered with all that the copy has, by views that go on.
func (d *failover) answers(now *pgxpool.Pool, token eventlog.Position) {
	d.t.Helper()
	var last *reply
	defer func() {
		if d.t.Failed() {
			d.t.Logf("the last answer: %+v", last)
		}
	}()
	until(d.t, "queries answer with all rows", func(context.Context) bool {
		// Where the log ended when the copy took over: all that it has of before.
		var end *int64
		err := now.QueryRow(d.t.Context(), `select max(began_after) from eventlog.incarnations having count(*) > 1`).Scan(&end)
		if err != nil || *end < token.Place() {
			return false
		}
		last = d.query(token.At(*end))
		f := last.Extensions.Freshness
		return len(last.Errors) == 0 && f.Reached && len(f.Views) == 1 && (f.Views[0].State == "LIVE" || f.Views[0].State == "CATCHING_UP")
	})
}

// readsFromTheStandby fails unless a query service on the standby answers with a freshness
// of its own.
func (d *failover) readsFromTheStandby(standby *cluster) {
	d.t.Helper()
	d.replica = d.serve(standby.url(drillDatabase))
	token := eventlog.NewPosition(d.log, d.incarnation(d.admin), place(d.t, d.admin))
	until(d.t, "the standby's query service has all that the primary has", func(context.Context) bool {
		r := ask(d.t, d.replica, token)
		f := r.Extensions.Freshness
		return len(r.Errors) == 0 && f.Reached && len(f.Views) == 1 && (f.Views[0].State == "LIVE" || f.Views[0].State == "CATCHING_UP")
	})
}

// saysThatItIsCutOff fails unless that service says so once nothing comes from the primary.
func (d *failover) saysThatItIsCutOff() {
	d.t.Helper()
	until(d.t, "the standby's query service says that it is cut off", func(context.Context) bool {
		f := ask(d.t, d.replica, eventlog.Position{}).Extensions.Freshness
		return len(f.Views) == 1 && f.Views[0].State == "STALLED"
	})
}
