package eventlog_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/migrations"
)

// mortal is a server of its own whose processes a test kills.
type mortal struct {
	t    *testing.T
	ctx  context.Context
	pool *pgxpool.Pool
	log  *eventlog.Log
}

func newMortal(t *testing.T, settings map[string]string) *mortal {
	t.Helper()
	cluster := dbtest.PostgresServer(t, embedded.PostgresOptions{Durable: true, Settings: settings})
	url := cluster.URL("postgres", embedded.Superuser)
	if err := migrations.Up(bounded(t), url, migrations.Engine); err != nil {
		t.Fatal(err)
	}
	pool := poolOf(t, url)
	return &mortal{t: t, ctx: bounded(t), pool: pool, log: open(t, pool)}
}

const lifeQuery = `select pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time()`

// killBackend kills one server process, as the kernel does when memory is short: the
// postmaster lives, ends all the others and recovers. It returns in the next life.
func (m *mortal) killBackend() {
	m.t.Helper()
	var started, life time.Time
	conn, err := m.pool.Acquire(m.ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := conn.QueryRow(m.ctx, lifeQuery).Scan(&started, &life); err != nil {
		m.t.Fatal(err)
	}
	if err := syscall.Kill(int(conn.Conn().PgConn().PID()), syscall.SIGKILL); err != nil {
		m.t.Fatal(err)
	}
	conn.Release()
	for m.ctx.Err() == nil {
		m.pool.Reset()
		var postmaster, now time.Time
		if err := m.pool.QueryRow(m.ctx, lifeQuery).Scan(&postmaster, &now); err == nil && now != life {
			if postmaster != started {
				m.t.Fatal("the postmaster died too: this is no test of a killed backend")
			}
			return
		}
	}
	m.t.Fatal("the server did not come back")
}

func (m *mortal) exec(statements ...string) {
	m.t.Helper()
	for _, sql := range statements {
		if _, err := m.pool.Exec(m.ctx, sql); err != nil {
			m.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// appendAsync appends in a transaction whose commit does not wait for the disk.
func (m *mortal) appendAsync(stream string, n int) {
	m.t.Helper()
	err := pgx.BeginFunc(m.ctx, m.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(m.ctx, `set local synchronous_commit = off`); err != nil {
			return err
		}
		_, err := m.log.Append(m.ctx, tx, eventlog.Append{Stream: stream, Events: newEvents(m.t, n)})
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// read reads on from a position until the settled end.
func (m *mortal) read(log *eventlog.Log, from eventlog.Position) (places []int64, at eventlog.Position) {
	m.t.Helper()
	for at = from; ; {
		page := read1(m.t, log, at, eventlog.Query{})
		for _, e := range page.Events {
			places = append(places, e.Position.Place())
		}
		if page.Next == at {
			return places, at
		}
		at = page.Next
	}
}

func (m *mortal) want(what string, got []int64, want ...int64) {
	m.t.Helper()
	if diff := cmp.Diff(want, slices.Clone(got)); diff != "" {
		m.t.Fatalf("%s: the places read are not the log's (-want +got):\n%s", what, diff)
	}
}

// prepare leaves a prepared transaction that has appended.
func (m *mortal) prepare() eventlog.Position {
	m.t.Helper()
	tx := begin(m.t, m.pool)
	held, err := m.log.Append(m.ctx, tx, eventlog.Append{Stream: "prepared", Events: newEvents(m.t, 1)})
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := tx.Exec(m.ctx, `prepare transaction 'across'`); err != nil {
		m.t.Fatal(err)
	}
	_ = tx.Rollback(m.ctx) // the transaction is not tx's any more
	return held
}

// A prepared transaction outlives a killed backend under another virtual transaction id.
func TestAPreparedTransactionIsWaitedForOverAKilledBackend(t *testing.T) {
	t.Parallel()
	m := newMortal(t, nil)
	held := m.prepare()
	last := appendTo(t, m.log, m.pool, "other", 0, 1)
	got, at := m.read(m.log, m.log.Start()) // a proof is under way
	m.want("before", got)
	m.killBackend()
	got, at = m.read(m.log, at)
	m.want("while it is open", got)
	m.exec(`commit prepared 'across'`)
	got, _ = m.read(m.log, at)
	m.want("after it was committed", got, held.Place(), last.Place())
}

// What a proof goes on with has to be of the same life, also where the look before it
// was on another connection.
func TestAProofDoesNotOutliveItsServer(t *testing.T) {
	t.Parallel()
	m := newMortal(t, nil)
	m.prepare()
	last := appendTo(t, m.log, m.pool, "other", 0, 1)
	m.read(m.log, m.log.Start())
	m.killBackend()
	conn, err := m.pool.Acquire(m.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for range 2 {
		settled, err := eventlog.ProveOn(m.ctx, m.log, conn, last.Place())
		if err != nil || settled != 0 {
			t.Fatalf("settled at %d behind a transaction that is still prepared, %v", settled, err)
		}
	}
}

// lossy keeps a server from writing to the disk what nobody waits for.
var lossy = map[string]string{"wal_writer_delay": "10s", "wal_writer_flush_after": "0", "bgwriter_lru_maxpages": "0", "checkpoint_timeout": "1h"}

// lose lets a reader get events that the server then loses, and returns the reader's
// place before and behind them. It returns false where the server had written something of
// them to the disk in the meantime, as it does every ten seconds.
func (m *mortal) lose() (stored, remembered eventlog.Position, lost bool) {
	m.t.Helper()
	appendTo(m.t, m.log, m.pool, "a", 0, 1)
	_, stored = m.read(m.log, m.log.Start())
	// Since 17 each asynchronous commit wakes the WAL writer, which writes half of it at once.
	var writer int
	if err := m.pool.QueryRow(m.ctx, `select pid from pg_stat_activity where backend_type = 'walwriter'`).Scan(&writer); err != nil {
		m.t.Fatal(err)
	}
	if err := syscall.Kill(writer, syscall.SIGSTOP); err != nil { // it ends with its server
		m.t.Fatal(err)
	}
	m.appendAsync("b", 40)
	got, remembered := m.read(m.log, stored)
	if len(got) != 40 {
		m.t.Fatalf("the reader got %d events, want 40", len(got))
	}
	m.killBackend()
	var n int
	var next int64
	const sql = `select (select count(*) from eventlog.events), (select last_value from pg_sequences where schemaname = 'eventlog' and sequencename = 'events_position_seq')`
	if err := m.pool.QueryRow(m.ctx, sql).Scan(&n, &next); err != nil {
		m.t.Fatal(err)
	}
	return stored, remembered, n == 1 && next < remembered.Place()
}

// afterALoss is a server that lost events which a reader has got, whose places come again.
// On a busy machine a server may have written half of them: that one is left.
func afterALoss(t *testing.T) (m *mortal, stored, remembered eventlog.Position) {
	t.Helper()
	const serversMax = 5
	for range serversMax {
		m := newMortal(t, lossy)
		if stored, remembered, lost := m.lose(); lost {
			return m, stored, remembered
		}
	}
	t.Fatalf("none of %d servers lost all of the events: this is no test of lost commits", serversMax)
	return nil, stored, remembered
}

// The places of lost events are given away again. A reader that reads on from a stored
// checkpoint gets every event there.
func TestEventsThatACrashLostHideNoLaterOnes(t *testing.T) {
	t.Parallel()
	m, stored, remembered := afterALoss(t)
	var want []int64
	for _, stream := range []string{"c", "d", "e"} {
		want = append(want, appendTo(t, m.log, m.pool, stream, 0, 1).Place())
	}
	if want[0] > remembered.Place() {
		t.Fatalf("the next event is at place %d, beyond the lost ones up to %d: nothing can be hidden", want[0], remembered.Place())
	}
	for _, log := range []*eventlog.Log{m.log, open(t, m.pool)} {
		got, _ := m.read(log, stored)
		m.want("from the stored checkpoint", got, want...)
	}
	if _, err := m.log.Read(m.ctx, remembered, eventlog.Query{}); !errors.Is(err, eventlog.ErrForeignPosition) {
		t.Errorf("a position beyond the end: %v", err)
	}
}

// A follower that only remembers its place is ended, however fast the log passes it.
func TestFollowEndsWhereItsServerRestarted(t *testing.T) {
	t.Parallel()
	m := newMortal(t, lossy)
	appendTo(t, m.log, m.pool, "a", 0, 1)
	m.appendAsync("b", 40)
	pages := 0
	err := m.log.Follow(m.ctx, m.log.Start(), eventlog.Query{}, func(_ context.Context, page eventlog.Page) error {
		if pages++; page.Next.Place() == 41 {
			m.killBackend()
			appendTo(t, m.log, m.pool, "c", 0, 50) // the log is longer than the follower's place again
		}
		return nil
	})
	if !errors.Is(err, eventlog.ErrRestarted) || pages == 0 {
		t.Fatalf("after %d pages: %v", pages, err)
	}
}

// A reader far behind does not look at the log's end each time. On a connection of
// another life it does: what was settled before may be on its way again.
func TestAReaderFarBehindLooksAgainAfterARestart(t *testing.T) {
	t.Parallel()
	m := newMortal(t, nil)
	appendTo(t, m.log, m.pool, "a", 0, 300)
	if got, _ := m.read(m.log, m.log.Start()); len(got) != 300 {
		t.Fatalf("read %d events, want 300", len(got))
	}
	m.killBackend()
	// What such a crash leaves, and an append that is open at a place that was settled.
	m.exec(`delete from eventlog.events where position > 100`, `update eventlog.settled set position = 100`,
		`select setval(pg_get_serial_sequence('eventlog.events', 'position'), 100)`)
	open := begin(t, m.pool)
	held, err := m.log.Append(m.ctx, open, eventlog.Append{Stream: "held", Events: newEvents(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, m.log, m.pool, "later", 0, 1)
	eventlog.LookedNow(m.log)
	page := read1(t, m.log, held.At(100), eventlog.Query{Limit: 50})
	if len(page.Events) > 0 || page.Next.Place() != 100 {
		t.Fatalf("the reader got %d events and came to place %d, past place %d, which is still open", len(page.Events), page.Next.Place(), held.Place())
	}
}

// What is written down as settled beyond the end was not proved of the events that will
// stand there: the log was set back, or emptied.
func TestASettledPlaceBeyondTheEndIsNotTrusted(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	running := open(t, db.Pool)
	appendTo(t, running, db.Pool, "a", 0, 10)
	readAll(t, running, eventlog.Query{})
	for name, log := range map[string]func() *eventlog.Log{
		"by a log that was open before": func() *eventlog.Log { return running },
		"by one that is opened then":    func() *eventlog.Log { return open(t, db.Pool) },
	} {
		for _, sql := range []string{`truncate eventlog.events restart identity`, `update eventlog.settled set position = 10`} {
			if _, err := db.Pool.Exec(bounded(t), sql); err != nil {
				t.Fatal(err)
			}
		}
		l := log()
		if page := read1(t, l, l.Start(), eventlog.Query{}); len(page.Events) > 0 {
			t.Fatalf("%s: %d events of an empty log", name, len(page.Events))
		}
		slow := begin(t, db.Pool)
		held, err := l.Append(bounded(t), slow, eventlog.Append{Stream: "slow", Events: newEvents(t, 1)})
		if err != nil {
			t.Fatal(err)
		}
		last := appendTo(t, l, db.Pool, "b", 0, 11)
		for reader, reading := range map[string]*eventlog.Log{"the same": l, "another": open(t, db.Role(t, "readside_reader"))} {
			if page := read1(t, reading, reading.Start(), eventlog.Query{}); len(page.Events) > 0 || page.Next.Place() >= held.Place() {
				t.Errorf("%s, %s reader: %d events, next is %d, past place %d, which is still open", name, reader, len(page.Events), page.Next.Place(), held.Place())
			}
		}
		if err := slow.Rollback(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, l, eventlog.Query{}); len(got) != 11 || got[10].Position != last {
			t.Errorf("%s: read %d events, want 11", name, len(got))
		}
	}
}
