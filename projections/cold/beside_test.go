package cold

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/readside/readside/eventlog"
)

// run runs a projector in the background until the test is done with it.
func (b *bench) run(p *Projector) (stop func()) {
	ctx, cancel := context.WithCancel(bounded(b.t))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	return func() {
		b.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			b.t.Fatal(err)
		}
	}
}

// once holds the first worker that comes to a step until the test has done something.
func once(at step, act func()) func(step) error {
	var first sync.Once
	return func(s step) error {
		if s == at {
			first.Do(act)
		}
		return nil
	}
}

// The tables shown go on while others are built beside them.
func TestTheMartMovesDuringARebuild(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(6)...))
	b.orderRebuild()
	p := b.open()
	came := make(chan eventlog.Position, 1)
	p.atRebuild = once(stepPlanned, func() {
		// The rebuild stands still here. What comes now is shown nevertheless.
		to := b.append(measurements(2)...)
		for ctx := bounded(t); ctx.Err() == nil; {
			if b.count(qualified(p.Mart(), "readings")) == 16 {
				came <- to
				return
			}
		}
	})
	stop := b.run(p)
	select {
	case to := <-came:
		for ctx := bounded(t); ctx.Err() == nil && !b.reached(to); {
			continue
		}
	case <-bounded(t).Done():
		t.Error("the mart stood still while the facts were rebuilt")
	}
	stop()
	if n := b.generation(); n != 2 {
		t.Errorf("generation %d is written, want 2", n)
	}
	b.exact(b.open())
}

// Any process dies while tables are built beside, handed over and shown: each event is there
// once, and the mart never shows less.
func TestAWorkerKilledWhileItRebuilds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(6)...)
	b.runTo(to)
	for _, at := range []step{stepMaking, stepPlanned, stepSent, stepInserted, stepDone, stepAdopted} {
		b.orderRebuild()
		b.dieBeside(at)
		b.shows(b.open(), 12, 0)
		b.exact(b.runTo(to))
	}
	for _, at := range []step{stepAnnounced, stepShown} {
		b.orderRebuild()
		b.dieAt(at, 1)
		b.shows(b.open(), 12, 0)
		b.exact(b.runTo(to))
	}
	if n := b.tables(); n != 2 {
		t.Errorf("%d tables of facts are left, want 2", n)
	}
}

// dieBeside is dieAt for the rebuild; the projector beside it dies, too.
func (b *bench) dieBeside(at step) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(bounded(b.t))
	defer cancel()
	p := b.open()
	died := false
	p.atRebuild = func(s step) error {
		if s != at {
			return nil
		}
		died = true
		cancel()
		return ctx.Err()
	}
	if err := p.Run(ctx); err != nil {
		b.t.Fatal(err)
	}
	if !died {
		b.t.Fatalf("the rebuild never came to step %q", at)
	}
}

func (b *bench) tables() (n uint64) {
	b.t.Helper()
	err := b.cfg.ClickHouse.QueryRow(bounded(b.t), "SELECT count() FROM system.tables WHERE database = currentDatabase() AND match(name, '_g[0-9]+$')").Scan(&n)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// One query reads a fact in several subqueries, before and after the mart goes over to
// tables that were half built when it began. It sees one generation, and one watermark.
func TestAQuerySeesOneGeneration(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(40)...)
	b.runTo(to)
	b.orderRebuild()
	p := b.open(func(c *Config) { c.BatchRows = 20 })
	answers := make(chan error, 1)
	batches := 0
	p.atRebuild = func(s step) error {
		if s == stepPlanned {
			batches++
		}
		if s != stepPlanned || batches != 2 { // the first is published, others are to come
			return nil
		}
		begun := make(chan struct{})
		go func() { answers <- b.asksTwice(p.Mart(), begun) }()
		<-begun
		return nil
	}
	stop := b.run(p)
	select {
	case err := <-answers:
		if err != nil {
			t.Error(err)
		}
	case <-bounded(t).Done():
		t.Error("nobody asked")
	}
	for ctx := bounded(t); ctx.Err() == nil && !b.reached(to); {
		continue
	}
	stop()
	b.exact(b.open())
}

// A query that began behind the switch may have read a view that still names the old
// tables: they stay until it has ended.
func TestAQueryBehindTheSwitchKeepsTheOldTables(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(40)...))
	b.orderRebuild()
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	p := b.open()
	answers := make(chan error, 1)
	asked, looked := false, false
	p.at = func(s step) error {
		switch {
		case s == stepShown && !asked:
			asked = true
			begun := make(chan struct{})
			go func() { answers <- b.asksTwice(p.Mart(), begun) }()
			<-begun
		case s == stepRested && asked && !looked:
			looked = true
			if b.oldTables(ctx) == 0 {
				t.Error("the old tables were dropped under a query that may have to read them")
			}
			if err := <-answers; err != nil {
				t.Error(err)
			}
		case s == stepRested && looked && b.oldTables(ctx) == 0:
			cancel()
		}
		return nil
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !looked {
		t.Error("the mart never went over to the new tables")
	}
}

// The mart goes over to new tables when queries have ended that began before its views could
// read both.
func TestASwitchWaitsForQueriesOfTheFormerViews(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(4)...))
	b.orderRebuild()
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	p := b.open()
	const id = "of-the-former-views-"
	running := func() uint64 { return b.count("system.processes WHERE query_id = " + quote(id+p.Mart())) }
	asked := make(chan error, 1)
	announced := false
	p.atRebuild = once(stepAdopted, func() { // the switch is next
		go func() {
			var slept uint8
			var rows uint64
			ctx := clickhouse.Context(bounded(t), clickhouse.WithQueryID(id+p.Mart()))
			asked <- b.cfg.ClickHouse.QueryRow(ctx, "SELECT (SELECT sleep(2)) AS s, count() FROM "+qualified(p.Mart(), "readings")).Scan(&slept, &rows)
		}()
		for ctx.Err() == nil && len(asked) == 0 && running() == 0 {
			continue
		}
	})
	p.at = once(stepAnnounced, func() {
		announced = true
		if running() != 0 {
			t.Error("the mart went over under a query that may read its former views")
		}
		cancel()
	})
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !announced {
		t.Fatal("the mart never went over")
	}
	if err := <-asked; err != nil {
		t.Error(err)
	}
}

// asksTwice counts readings before and after a pause, in one query. It closes begun when the
// query has counted once.
func (b *bench) asksTwice(mart string, begun chan struct{}) error {
	const id = "asks-twice"
	ctx := clickhouse.Context(bounded(b.t), clickhouse.WithQueryID(id+mart))
	go func() {
		defer close(begun)
		for ctx.Err() == nil {
			var runs uint64
			err := b.cfg.ClickHouse.QueryRow(bounded(b.t), "SELECT count() FROM system.processes WHERE query_id = "+quote(id+mart)+" AND elapsed > 0.3").Scan(&runs)
			if err != nil || runs > 0 {
				return
			}
		}
	}()
	var before, total, after uint64
	var slept uint8
	err := b.cfg.ClickHouse.QueryRow(ctx, fmt.Sprintf("SELECT (SELECT count() FROM %[1]s) AS a, (SELECT sleep(2.5)) AS s, (SELECT count() FROM %[2]s) AS t, (SELECT count() FROM %[1]s WHERE value > -1000) AS b",
		qualified(mart, "readings"), qualified(mart, "totals"))).Scan(&before, &slept, &total, &after)
	if err != nil {
		return err
	}
	if before != 80 || after != 80 || total != 40 {
		return fmt.Errorf("one query counted %d readings, then %d, and %d totals; want 80, 80 and 40", before, after, total)
	}
	return nil
}

// A batch is seen whole or not at all, however the query's snapshots fall: here ClickHouse
// takes four seconds for each, and the batch's second block and its watermark come between
// the first and the second.
func TestABatchIsSeenWhole(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(2)...))
	to := b.append(measurements(2)...)
	p := b.open()
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	counted := make(chan uint64, 1)
	sent := 0
	p.at = func(s step) error {
		if s == stepSent {
			sent++
		}
		if s == stepSent && sent == 1 { // of two blocks of readings, in two months
			begun := make(chan struct{})
			go func() { counted <- b.countsSlowly(p.Mart(), begun) }()
			<-begun
		}
		if s == stepRested && b.reached(to) {
			cancel()
		}
		return nil
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := <-counted; n != 4 && n != 8 {
		t.Errorf("a query saw %d readings: half of a batch", n)
	}
}

func (b *bench) countsSlowly(mart string, begun chan struct{}) (rows uint64) {
	id := "counts-slowly" + mart
	ctx := clickhouse.Context(bounded(b.t), clickhouse.WithQueryID(id), clickhouse.WithSettings(clickhouse.Settings{"merge_tree_storage_snapshot_sleep_ms": 4000}))
	go func() {
		defer close(begun)
		for ctx.Err() == nil {
			var runs uint64
			err := b.cfg.ClickHouse.QueryRow(bounded(b.t), "SELECT count() FROM system.processes WHERE query_id = "+quote(id)+" AND elapsed > 6").Scan(&runs)
			if err != nil || runs > 0 {
				return
			}
		}
	}()
	if err := b.cfg.ClickHouse.QueryRow(ctx, "SELECT count() FROM "+qualified(mart, "readings")).Scan(&rows); err != nil {
		b.t.Error(err)
	}
	return rows
}

// Readers ask all the time, through many rebuilds and while facts come.
func TestReadersThroughManyRebuilds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(30)...))
	p := b.open(func(c *Config) { c.BatchRows = 20 })
	stop := b.run(p)
	ctx, cancel := context.WithCancel(bounded(t))
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() { b.readsOn(ctx, p.Mart()) })
	}
	var to eventlog.Position
	for range 3 {
		b.orderRebuild()
		to = b.append(measurements(10)...)
		for ctx := bounded(t); ctx.Err() == nil && !b.reached(to); {
			continue
		}
	}
	cancel()
	readers.Wait()
	stop()
	b.exact(b.open())
}

func (b *bench) readsOn(ctx context.Context, mart string) {
	sql := fmt.Sprintf("SELECT (SELECT count() FROM %[1]s) AS a, (SELECT countIf(count = 0) FROM %[1]s) AS b, (SELECT count() FROM %[2]s) AS c, (SELECT countIf(count = 1) FROM %[1]s) AS d",
		qualified(mart, "readings"), qualified(mart, "totals"))
	var last uint64
	for ctx.Err() == nil {
		var all, firsts, totals, seconds uint64
		if err := b.cfg.ClickHouse.QueryRow(bounded(b.t), sql).Scan(&all, &firsts, &totals, &seconds); err != nil {
			b.t.Error(err)
			return
		}
		if all != firsts+seconds || firsts != totals || seconds != totals || all < last {
			b.t.Errorf("a query saw %d readings, %d and %d of them, and %d totals; the one before saw %d readings", all, firsts, seconds, totals, last)
		}
		last = all
	}
}
