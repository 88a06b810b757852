package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/migrations"
)

var steps = flag.Int("steps", 60, "transactions of each of the ten writers of TestReadingRules")

// TestReadingRules sets ways to read a log side by side. Every wrong rule has to
// fail a case, or the case for ours proves nothing; ours has to pass all.
func TestReadingRules(t *testing.T) {
	cluster := newCluster(t)
	cases := []struct {
		name string
		run  func(*contest)
	}{
		{"inversion", inversion},
		{"stranger in another database", stranger},
		{"aborted appender", abortedAppender},
		{"slow appender", slowAppender},
		{"prepared transaction", preparedTransaction},
		{"ten writers, COPY and savepoints", tenWriters},
		{"dump restored into a fresh cluster", dumpRestored},
	}
	failures := make(map[string]int)
	var table bytes.Buffer
	out := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "case\t"+strings.Join(ruleNames(), "\t"))
	for i, tc := range cases {
		c := newContest(t, cluster, fmt.Sprintf("contest_%d", i))
		tc.run(c)
		c.finish()
		failed := 0
		fmt.Fprint(out, tc.name)
		for _, r := range c.readers {
			verdict := "pass"
			if r.fault != "" {
				verdict = "FAIL: " + r.fault
				failures[r.name]++
				failed++
			}
			fmt.Fprint(out, "\t"+verdict)
		}
		fmt.Fprintln(out)
		if failed == 0 && i < len(cases)-1 {
			t.Errorf("case %q: no rule fails it, so it proves nothing", tc.name)
		}
	}
	_ = out.Flush() // into a buffer
	t.Logf("\n%s", table.String())
	if testing.Verbose() {
		_, _ = os.Stdout.WriteString(table.String())
	}
	for _, name := range ruleNames() {
		if isOurs := name == "ours"; isOurs != (failures[name] == 0) {
			t.Errorf("rule %q fails %d cases", name, failures[name])
		}
	}
}

// inversion: the writer of a stream's version 2 took its transaction id first.
func inversion(c *contest) {
	second := c.begin()
	c.exec(second, `select pg_current_xact_id()`)
	first := c.begin()
	c.append(first, "s", 1)
	c.commit(first)
	c.append(second, "s", 2)
	c.commit(second)
}

// stranger: a write transaction is open in another database of the cluster.
func stranger(c *contest) {
	other := poolOf(c.t, c.cluster.URL("postgres", embedded.Superuser))
	tx, err := other.Begin(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	defer tx.Rollback(c.ctx)
	c.exec(tx, `create table a_stranger_s (n integer)`)
	c.appendCommitted("a")
	c.appendCommitted("b")
	c.expect(2, "stalls on the stranger")
}

// abortedAppender: a position was drawn and its transaction rolled back.
func abortedAppender(c *contest) {
	c.appendCommitted("a")
	c.poll()
	tx := c.begin()
	c.append(tx, "b", 1)
	if err := tx.Rollback(c.ctx); err != nil {
		c.t.Fatal(err)
	}
	c.appendCommitted("c")
}

// slowAppender: a position was drawn, later ones commit first.
func slowAppender(c *contest) {
	c.appendCommitted("a")
	slow := c.begin()
	c.append(slow, "slow", 1)
	c.appendCommitted("b")
	c.poll()
	c.append(slow, "slow", 2)
	c.appendCommitted("c")
	c.poll()
	c.expect(1, "stalls before the slow one")
	c.commit(slow)
}

// preparedTransaction: one that commits later, and one that is rolled back.
func preparedTransaction(c *contest) {
	for _, end := range []string{"commit", "rollback"} {
		tx := c.begin()
		c.append(tx, "prepared-"+end, 1)
		c.poll() // while it is not prepared yet: it keeps its place through PREPARE
		c.appendCommitted("before-" + end)
		c.poll()
		c.exec(tx, `prepare transaction 'p`+end+`'`)
		c.appendCommitted("after-" + end)
		c.poll()
		c.exec(c.pool, end+` prepared 'p`+end+`'`)
	}
}

// tenWriters append in every way at once, each reader reading all the while.
func tenWriters(c *contest) {
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	var readers, writers sync.WaitGroup
	for _, r := range c.readers {
		readers.Go(func() {
			for ctx.Err() == nil {
				places, err := r.rule.next(c.ctx)
				if err != nil {
					r.fail(err.Error())
					return
				}
				r.got = append(r.got, places...)
			}
		})
	}
	errs := make([]error, 10)
	for w := range errs {
		writers.Go(func() { errs[w] = writeRandomly(c, w) })
	}
	writers.Wait()
	stop()
	readers.Wait()
	if err := errors.Join(errs...); err != nil {
		c.t.Fatal(err)
	}
}

// writeRandomly is one of ten writers: commits, rollbacks, savepoints, COPY and
// prepared transactions, in streams of its own.
func writeRandomly(c *contest, writer int) error {
	random := rand.New(rand.NewPCG(uint64(writer), 7))
	w := &randomWriter{c: c, random: random, stream: fmt.Sprintf("writer-%d", writer)}
	for step := range *steps {
		tx, err := c.pool.Begin(c.ctx)
		if err != nil {
			return err
		}
		if err := w.transaction(tx, step); err != nil {
			_ = tx.Rollback(c.ctx)
			return fmt.Errorf("writer %d, step %d: %w", writer, step, err)
		}
	}
	return nil
}

type randomWriter struct {
	c       *contest
	random  *rand.Rand
	stream  string
	version int64
}

func (w *randomWriter) insert(tx pgx.Tx, n int) error {
	for range n {
		w.version++
		_, err := tx.Exec(w.c.ctx, `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
			values ($2::bigint, now(), 1, $1::text || $2::bigint, 'test', 'test.Noted', $1, '{}')`, w.stream, w.version)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *randomWriter) copy(tx pgx.Tx, n int) error {
	var rows [][]any
	for range n {
		w.version++
		rows = append(rows, []any{w.version, time.Now(), 1, fmt.Sprint(w.stream, w.version), "test", "test.Noted", w.stream, "{}"})
	}
	_, err := tx.CopyFrom(w.c.ctx, pgx.Identifier{"eventlog", "events"},
		[]string{"version", "time", "schema_version", "id", "source", "type", "stream", "data"}, pgx.CopyFromRows(rows))
	return err
}

// linger keeps the transaction open for a while, in the server.
func (w *randomWriter) linger(tx pgx.Tx) error {
	if w.random.IntN(3) > 0 {
		return nil
	}
	_, err := tx.Exec(w.c.ctx, `select pg_sleep($1)`, w.random.Float64()*0.008)
	return err
}

// transaction does one of six things. A stream goes on behind versions that were
// rolled back: what matters here is that versions rise.
func (w *randomWriter) transaction(tx pgx.Tx, step int) error {
	savepoint, back := `savepoint a`, `rollback to a`
	type act = func() error
	sql := func(s string) act { return func() error { _, err := tx.Exec(w.c.ctx, s); return err } }
	insert := func() error { return w.insert(tx, 1) }
	linger := func() error { return w.linger(tx) }
	commit := func() error { return tx.Commit(w.c.ctx) }
	rollback := func() error { return tx.Rollback(w.c.ctx) }
	var acts []act
	switch w.random.IntN(6) {
	case 0:
		acts = []act{insert, linger, insert, commit}
	case 1:
		acts = []act{insert, linger, rollback}
	case 2:
		acts = []act{insert, sql(savepoint), insert, linger, sql(back), insert, linger, commit}
	case 3: // the lock was only ever taken in what is rolled back, then again
		acts = []act{sql(savepoint), insert, sql(back), linger, insert, commit}
	case 4:
		acts = []act{func() error { return w.copy(tx, 20) }, linger, commit}
	case 5:
		acts = []act{insert, linger, func() error { return w.prepare(tx, step) }}
	}
	for _, act := range acts {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

func (w *randomWriter) prepare(tx pgx.Tx, step int) error {
	name := fmt.Sprintf("'%s-%d'", w.stream, step)
	end := "commit"
	if w.random.IntN(2) == 0 {
		end = "rollback"
	}
	for _, sql := range []string{"prepare transaction " + name, end + " prepared " + name} {
		if _, err := tx.Exec(w.c.ctx, sql); err != nil {
			return err
		}
		if err := w.linger(tx); err != nil {
			return err
		}
	}
	// The transaction is not tx's any more: its COMMIT is an empty one.
	_, err := tx.Conn().Exec(w.c.ctx, "rollback")
	_ = tx.Rollback(w.c.ctx)
	return err
}

// dumpRestored: the log goes on in another cluster, where transaction ids begin low.
func dumpRestored(c *contest) {
	for range 5 {
		tx := c.begin()
		c.append(tx, fmt.Sprint("dead", c.random()), 1)
		if err := tx.Rollback(c.ctx); err != nil {
			c.t.Fatal(err)
		}
	}
	c.exec(c.pool, `do $$ begin for i in 1..300 loop perform pg_current_xact_id(); commit; end loop; end $$`)
	c.appendCommitted("a")
	c.appendCommitted("b")
	old, err := c.log.Head(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	fresh := newCluster(c.t)
	restore(c, fresh, "restored")
	c.cluster, c.pool = fresh, poolOf(c.t, fresh.URL("restored", embedded.Superuser))
	c.log = open(c.t, c.pool)
	c.enter()
	if _, err := c.log.Read(c.ctx, old, eventlog.Query{}); err != nil {
		c.readers[3].fail(fmt.Sprintf("refuses a position from before the restore whose event is there: %v", err))
	}
	if _, err := c.log.Read(c.ctx, old.At(old.Place()+1), eventlog.Query{}); !errors.Is(err, eventlog.ErrForeignPosition) {
		c.readers[3].fail(fmt.Sprintf("takes a position that the restore lost: %v", err))
	}
	c.appendCommitted("c")
}

func (c *contest) random() uint64 { return rand.Uint64() }

// restore copies the contest's database as an operator would, with Postgres's own
// clients where the server came with them.
func restore(c *contest, to *embedded.Postgres, database string) {
	c.t.Helper()
	var bin string
	if err := c.pool.QueryRow(c.ctx, `select setting from pg_config() where name = 'BINDIR'`).Scan(&bin); err != nil {
		c.t.Fatal(err)
	}
	admin := poolOf(c.t, to.URL("postgres", embedded.Superuser))
	c.exec(admin, `create database `+database)
	if _, err := os.Stat(filepath.Join(bin, "pg_dump")); err != nil {
		url := to.URL(database, embedded.Superuser)
		if err := migrations.Up(c.ctx, url, migrations.Engine); err != nil {
			c.t.Fatal(err)
		}
		fresh := poolOf(c.t, url)
		c.exec(fresh, addTransactionID)
		dbtest.CopyTables(c.t, c.pool, fresh, "eventlog")
		return
	}
	rows, err := c.pool.Query(c.ctx, `select rolname::text from pg_roles where rolname not like 'pg\_%' and rolname <> current_user`)
	if err != nil {
		c.t.Fatal(err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		c.t.Fatal(err)
	}
	for _, role := range roles { // roles are the cluster's and not in the dump
		c.exec(admin, `create role `+pgx.Identifier{role}.Sanitize())
	}
	dump := filepath.Join(c.t.TempDir(), "dump.sql")
	from := c.pool.Config().ConnString()
	command(c, from, filepath.Join(bin, "pg_dump"), "--file="+dump)
	command(c, to.URL(database, embedded.Superuser), filepath.Join(bin, "psql"),
		"--set=ON_ERROR_STOP=1", "--quiet", "--output="+os.DevNull, "--file="+dump)
}

// command runs a client of Postgres on a database. Its password goes by the
// environment: command lines are everybody's to read.
func command(c *contest, address, name string, args ...string) {
	c.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		c.t.Fatal(err)
	}
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	cmd := exec.CommandContext(c.ctx, name, append(args, "--dbname="+u.String())...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
	}
}
