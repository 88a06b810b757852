package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/migrations"
)

// How long a reader that gets nothing new is waited for until it counts as stalled.
// The wrong rules stall for ever; ours gets time even on a busy machine.
const (
	stallWrong = 700 * time.Millisecond
	stallOurs  = 15 * time.Second
)

// contest is one case: a database, and every rule reading it side by side.
type contest struct {
	t       *testing.T
	ctx     context.Context
	cluster *embedded.Postgres
	pool    *pgxpool.Pool
	log     *eventlog.Log
	readers []*contestant
}

// contestant is one rule and how it did.
type contestant struct {
	name  string
	rule  rule
	bound time.Duration
	got   []place
	fault string // empty while it did nothing wrong
}

func ruleNames() []string {
	return []string{"past the checkpoint", "below xmin", "wait for gaps", "ours"}
}

// addTransactionID adds the column that one of the wrong rules orders by.
const addTransactionID = `alter table eventlog.events add column txid xid8 not null default pg_current_xact_id()`

// newContest opens a database of its own in the cluster. The readers begin at its start.
func newContest(t *testing.T, cluster *embedded.Postgres, database string) *contest {
	t.Helper()
	ctx := bounded(t)
	admin := poolOf(t, cluster.URL("postgres", embedded.Superuser))
	if _, err := admin.Exec(ctx, "create database "+database); err != nil {
		t.Fatal(err)
	}
	url := cluster.URL(database, embedded.Superuser)
	if err := migrations.Up(ctx, url, migrations.Engine); err != nil {
		t.Fatal(err)
	}
	c := &contest{t: t, ctx: ctx, cluster: cluster, pool: poolOf(t, url)}
	c.exec(c.pool, addTransactionID)
	c.log = open(t, c.pool)
	c.enter()
	return c
}

func poolOf(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(bounded(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func (c *contest) enter() {
	names := ruleNames()
	c.readers = []*contestant{
		{name: names[0], bound: stallWrong, rule: &pastCheckpoint{pool: c.pool}},
		{name: names[1], bound: stallWrong, rule: &belowXmin{pool: c.pool}},
		{name: names[2], bound: stallWrong, rule: &noGaps{pool: c.pool}},
		{name: names[3], bound: stallOurs, rule: &ours{log: c.log, at: c.log.Start()}},
	}
}

func (c *contest) exec(q interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}, sql string) {
	c.t.Helper()
	if _, err := q.Exec(c.ctx, sql); err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
}

// begin opens a transaction on a connection of its own.
func (c *contest) begin() pgx.Tx {
	c.t.Helper()
	tx, err := c.pool.Begin(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(c.ctx)) })
	return tx
}

func (c *contest) append(tx pgx.Tx, stream string, version int64) {
	c.t.Helper()
	_, err := tx.Exec(c.ctx, `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
		values ($2::bigint, now(), 1, $1::text || $2::bigint, 'test', 'test.Noted', $1, '{}')`, stream, version)
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *contest) commit(tx pgx.Tx) {
	c.t.Helper()
	if err := tx.Commit(c.ctx); err != nil {
		c.t.Fatal(err)
	}
}

// appendCommitted appends one event of a stream of its own.
func (c *contest) appendCommitted(stream string) {
	c.t.Helper()
	tx := c.begin()
	c.append(tx, stream, 1)
	c.commit(tx)
}

// poll lets every reader read a few times.
func (c *contest) poll() {
	c.t.Helper()
	for _, r := range c.readers {
		for range 3 {
			r.read(c)
		}
	}
}

func (r *contestant) read(c *contest) (progress bool) {
	places, err := r.rule.next(c.ctx)
	if err != nil {
		c.t.Fatalf("%s: %v", r.name, err)
	}
	r.got = append(r.got, places...)
	return len(places) > 0
}

func (r *contestant) fail(fault string) {
	if r.fault == "" {
		r.fault = fault
	}
}

// expect wants every reader to get as far as n events, in time.
func (c *contest) expect(n int, fault string) {
	c.t.Helper()
	for _, r := range c.readers {
		if !c.readUntil(r, n) {
			r.fail(fault)
		}
	}
}

// readUntil reads until the reader has n events; false when nothing new came for its bound.
func (c *contest) readUntil(r *contestant, n int) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for last := time.Now(); len(r.got) < n; {
		if r.read(c) {
			last = time.Now()
			continue
		}
		if time.Since(last) > r.bound {
			return false
		}
		<-tick.C
	}
	return true
}

// finish compares what each reader got with what the table holds: all, once, and
// every stream in its order.
func (c *contest) finish() {
	c.t.Helper()
	want, err := queryPlaces(c.ctx, c.pool, `select stream, version, position from eventlog.events order by position`)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range c.readers {
		complete := c.readUntil(r, len(want))
		if err := inOrder(r.got); err != nil {
			r.fail(err.Error())
		}
		if complete && len(r.got) == len(want) {
			continue
		}
		if missed := r.passedOver(want); missed > 0 {
			r.fail(fmt.Sprintf("skips %d", missed))
		}
		r.fail("stalls")
	}
}

// passedOver counts events that the reader has not got though it got later ones.
func (r *contestant) passedOver(want []place) (missed int) {
	got := make(map[int64]bool, len(r.got))
	last := int64(0)
	for _, p := range r.got {
		got[p.Position] = true
		last = max(last, p.Position)
	}
	for _, p := range want {
		if p.Position < last && !got[p.Position] {
			missed++
		}
	}
	return missed
}

func inOrder(got []place) error {
	versions := make(map[string]int64)
	seen := make(map[int64]bool, len(got))
	for _, p := range got {
		if seen[p.Position] {
			return errors.New("gives twice")
		}
		seen[p.Position] = true
		if p.Version <= versions[p.Stream] {
			return errors.New("order broken")
		}
		versions[p.Stream] = p.Version
	}
	return nil
}

func newCluster(t *testing.T) *embedded.Postgres {
	t.Helper()
	return dbtest.PostgresServer(t, embedded.PostgresOptions{})
}
