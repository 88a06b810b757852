package cold

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/projections"
)

// relieveAt runs a projector that, the first time it comes to a step, loses its
// connection and with it the lock, and goes on only when others have done their work.
func (b *bench) relieveAt(at step, others func(), change ...func(*Config)) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(bounded(b.t))
	defer cancel()
	relieved := false
	p := b.open(change...)
	p.at = func(s step) error {
		if relieved && s == stepReady {
			cancel() // it has noticed
		}
		if s != at || relieved {
			return nil
		}
		relieved = true
		b.endOwner()
		others()
		return nil
	}
	if err := p.Run(ctx); err != nil {
		b.t.Fatal(err)
	}
	if !relieved {
		b.t.Fatalf("the projector never came to step %q", at)
	}
}

// endOwner ends the connection that holds the lock.
func (b *bench) endOwner() {
	b.t.Helper()
	_, err := b.db.Pool.Exec(bounded(b.t), `select pg_terminate_backend(pid, 10000) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())`)
	if err != nil {
		b.t.Fatal(err)
	}
}

// A worker that hangs keeps its connection, and with it the lock, until one that waits
// ends it. When it goes on it changes nothing.
func TestASilentOwnerIsRelieved(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	hangs, goesOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	hang := sync.OnceFunc(func() {
		close(hangs)
		select {
		case <-goesOn:
		case <-ctx.Done():
		}
	})
	silent := b.open()
	silent.at = func(s step) error {
		select {
		case <-goesOn:
			if s == stepReady {
				cancel() // it has noticed
			}
		default:
			if s == stepPlanned {
				hang()
			}
		}
		return nil
	}
	go func() { ended <- silent.Run(ctx) }()
	<-hangs
	b.silence = time.Second
	p := b.runTo(to)
	close(goesOn)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	b.exact(p)
}

// A worker that was about to make the tables when it was relieved makes them late,
// when another one's rows are in ClickHouse.
func TestALateMakerOfTablesDropsNobodysRows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.relieveAt(stepMaking, func() { b.runTo(to) })
	b.exact(b.open())
	b.exact(b.runTo(b.append(measurements(6)...)))
}

// A worker of other code that was about to take a block out when it was relieved takes
// it out late, when a worker of the former code has gone on with it.
func TestALateWithdrawalTakesOutNothingThatStands(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.dieAt(stepInserted, 1)
	otherCode := func(c *Config) { c.Set = testSet(t, 10) }
	b.relieveAt(stepWithdrawing, func() { b.runTo(to) }, otherCode)
	b.exact(b.open())
}

// The row that spends a token is no fact: analysts do not see it.
func TestARowThatSpendsATokenIsNotShown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.dieAt(stepPlanned, 1)
	b.cfg.Set = testSet(t, 10)
	for nth := range 4 {
		b.dieAt(stepSpent, nth+1)
	}
	mart := b.open().Mart()
	if rows := b.count(qualified(mart, "readings")) + b.count(qualified(mart, "totals")); rows != 0 {
		t.Errorf("the mart shows %d rows of blocks that are taken out", rows)
	}
	b.exact(b.runTo(to))
}

// A worker that begins where the log ends is live, though nothing comes to be written.
func TestAWorkerOfAQuietLogIsLive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.dieAt(stepDone, 1)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	p := b.open()
	ready, ended := make(chan struct{}), make(chan error, 1)
	once := sync.OnceFunc(func() { close(ready) })
	p.at = func(s step) error {
		if s == stepReady {
			once()
		}
		return nil
	}
	go func() { ended <- p.Run(ctx) }()
	<-ready
	for state := ""; state != StateLive; {
		s, err := p.Status(ctx)
		if err != nil {
			t.Fatalf("the worker is %s at place %d of %d: %v", state, s.Position.Place(), to.Place(), err)
		}
		state = s.State
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// generation is that of the tables being written.
func (b *bench) generation() (n int) {
	b.t.Helper()
	if err := b.db.Pool.QueryRow(bounded(b.t), `select generation from readside.cold_checkpoint`).Scan(&n); err != nil {
		b.t.Fatal(err)
	}
	return n
}

// Workers of two definitions, as during a deploy: the former one does not begin its
// tables anew when the new one stumbles, but when that one is gone.
func TestAFormerDefinitionComesBackOnlyWhenNobodyWorks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.append(measurements(6)...)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	changed := readings(1)
	changed.Version = 2
	newSet, err := projections.NewSet(changed, &totals)
	if err != nil {
		t.Fatal(err)
	}
	byNew := func(c *Config) { c.Set = newSet }
	waits, reached, ended := make(chan struct{}), make(chan eventlog.Position, 100), make(chan error, 1)
	former := b.open(func(c *Config) {
		once := sync.OnceFunc(func() { close(waits) })
		c.Logger = slog.New(slog.NewJSONHandler(&endingWriter{part: errSuperseded.Error(), end: once}, nil))
		c.Observer.Written = func(w Written) { reached <- w.Position }
	})
	former.comeBackAfter = 5 * time.Second
	var relieved bool
	former.at = func(s step) error {
		if s == stepPlanned && !relieved {
			relieved = true
			b.endOwner()
			b.runTo(b.append(ignored{}), byNew)
		}
		return nil
	}
	go func() { ended <- former.Run(ctx) }()
	select {
	case <-waits:
	case <-ctx.Done():
		t.Fatal("the former worker did not wait")
	}
	to := b.append(measurements(2)...)
	b.runTo(to, byNew)
	if n := b.generation(); n != 2 {
		t.Fatalf("generation %d is written, want 2: the former worker began one", n)
	}
	b.waitFor(reached, to) // nobody else works any more
	if n := b.generation(); n != 3 {
		t.Errorf("generation %d is written, want 3", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	b.exact(b.open())
}

// A worker that cannot reach ClickHouse takes nothing over from one that can.
func TestAWorkerWithoutClickHouseTakesNothingOver(t *testing.T) {
	t.Parallel()
	server := dbtest.ClickHouseServer(t, embedded.ClickHouseOptions{})
	b := newLogBench(t)
	b.cfg.ClickHouse = dbtest.OpenClickHouse(t, server.URL("default", embedded.ClickHouseUser))
	b.runTo(b.append(measurements(2)...))
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	changed := readings(1)
	changed.Version = 2
	set, err := projections.NewSet(changed, &totals)
	if err != nil {
		t.Fatal(err)
	}
	p := b.open(func(c *Config) {
		c.Set = set
		c.Logger = slog.New(slog.NewJSONHandler(&endingWriter{part: "interrupted", end: cancel}, nil))
	})
	if err := server.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := b.generation(); n != 1 {
		t.Errorf("generation %d was begun without ClickHouse", n)
	}
}

// A reader of the watermark in Postgres and then the mart sees all rows up to it.
func TestTheWatermarkSaysNoMoreThanTheMartShows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.dieAt(stepDone, 1)
	says := func() int64 {
		s, err := b.open().Status(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		return s.Tables[0].Position.Place()
	}
	if rows := b.count(qualified(b.open().Mart(), "readings")); says() != 0 || rows != 0 {
		t.Errorf("the watermark is at %d, the mart shows %d rows", says(), rows)
	}
	b.runTo(to)
	if rows := b.count(qualified(b.open().Mart(), "readings")); says() != to.Place() || rows != 12 {
		t.Errorf("the watermark is at %d, the mart shows %d rows", says(), rows)
	}
	to = b.append(ignored{})
	b.runTo(to)
	if says() != to.Place() {
		t.Errorf("the watermark is at %d, behind events that no fact handles at %d", says(), to.Place())
	}
}

func (b *bench) orderRebuild() (head eventlog.Position) {
	b.t.Helper()
	if err := b.open().Rebuild(bounded(b.t)); err != nil {
		b.t.Fatal(err)
	}
	head, err := b.log.Head(bounded(b.t))
	if err != nil {
		b.t.Fatal(err)
	}
	return head
}

// A worker dies when the mart has left the old tables, before they are dropped.
func TestOldTablesGoThoughAWorkerDied(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(6)...))
	head := b.orderRebuild()
	b.dieAt(stepShown, 1)
	if b.oldTables(bounded(t)) == 0 {
		t.Fatal("the worker dropped the old tables before it died")
	}
	b.runTo(head)
	if n := b.oldTables(bounded(t)); n != 0 {
		t.Errorf("%d old tables are left", n)
	}
}

// ClickHouse guards tables over 50 GB from being dropped; here over a byte.
func TestALargeOldTableGoes(t *testing.T) {
	t.Parallel()
	ch := dbtest.ClickHouse(t)
	at, err := url.Parse(ch.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := at.Query()
	query.Set("max_table_size_to_drop", "1")
	at.RawQuery = query.Encode()
	b := newLogBench(t)
	b.cfg.ClickHouse = dbtest.OpenClickHouse(t, at.String())
	b.dropMartAtEnd(ch.Database)
	b.runTo(b.append(measurements(6)...))
	b.exact(b.runTo(b.orderRebuild()))
	if n := b.oldTables(bounded(t)); n != 0 {
		t.Errorf("%d old tables are left", n)
	}
}

// A ledger that begins anew over a ClickHouse that is older: the place that its tables
// had come to is forgotten with them.
func TestAFormerLedgersWatermarkShowsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.runTo(to)
	if _, err := b.db.Pool.Exec(bounded(t), `delete from readside.cold_checkpoint`); err != nil {
		t.Fatal(err)
	}
	b.dieAt(stepInserted, 1)
	if rows := b.count(qualified(b.open().Mart(), "readings")); rows != 0 {
		t.Errorf("the mart shows %d rows of a batch that is not done", rows)
	}
	b.exact(b.runTo(to))
}

// Of two projectors over the same facts the second leaves the first one's tables alone.
func TestAFactHasOneProjector(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.runTo(b.append(measurements(6)...))
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	told := &endingWriter{part: "another cold projector's", end: cancel}
	other := b.open(func(c *Config) {
		c.Name = "other"
		c.Logger = slog.New(slog.NewJSONHandler(told, nil))
		c.Observer.Written = func(Written) { cancel() }
	})
	if err := other.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !told.told {
		t.Error("the second projector was not told")
	}
	b.exact(p)
}

// endingWriter ends something when a line with a certain part is logged.
type endingWriter struct {
	part string
	end  func()
	told bool
}

func (w *endingWriter) Write(line []byte) (int, error) {
	if contains(string(line), w.part) {
		w.told = true
		w.end()
	}
	return len(line), nil
}
