package cold

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/readside/readside/eventlog"
)

// ledgerTables are what a backup of Postgres has of the facts, in an order in which they can
// be filled.
var ledgerTables = []string{"cold_checkpoint", "cold_ledger", "cold_watermarks", "cold_parked"}

func (b *bench) sql(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.db.Pool.Exec(bounded(b.t), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// backUp keeps the ledger as it is.
func (b *bench) backUp() {
	b.t.Helper()
	b.sql(`create schema backup`)
	for _, table := range ledgerTables {
		b.sql(fmt.Sprintf(`create table backup.%s as table readside.%[1]s`, table))
	}
	b.sql(`create table backup.log as select max(position) as place, (select count(*) from eventlog.events) as events from eventlog.events`)
}

// restore sets log and ledger back to the backup, as a recovery to an earlier point does,
// and opens them elsewhere.
func (b *bench) restore(elsewhere string) {
	b.t.Helper()
	b.sql(`delete from eventlog.events where position > (select place from backup.log)`)
	b.sql(`delete from readside.cold_checkpoint`)
	for _, table := range ledgerTables {
		override := ""
		if table == "cold_ledger" {
			override = " overriding system value"
		}
		b.sql(fmt.Sprintf(`insert into readside.%s%s select * from backup.%[1]s`, table, override))
	}
	b.sql(`update eventlog.incarnations set ` + elsewhere)
	var was where // ClickHouse knows as much of where the log has been
	err := b.db.Pool.QueryRow(bounded(b.t), `select incarnation, system_identifier, timeline, database::bigint, relation::bigint from eventlog.incarnations order by number desc limit 1`).
		Scan(&was.incarnation, &was.system, &was.timeline, &was.database, &was.relation)
	if err != nil {
		b.t.Fatal(err)
	}
	b.exec(recordCopy(b.open().database, was))
	if err := b.db.Pool.QueryRow(bounded(b.t), `select events from backup.log`).Scan(&b.next); err != nil {
		b.t.Fatal(err)
	}
	log, err := eventlog.Open(bounded(b.t), b.db.Pool)
	if err != nil {
		b.t.Fatal(err)
	}
	b.log, b.cfg.Log = log, log
}

const (
	promoted = `timeline = timeline - 1` // seen from here, the former one is a timeline before
	dumped   = `system_identifier = 1`
)

// shownRows is what analysts see.
func (b *bench) shownRows() uint64 { return b.count(qualified(b.open().Mart(), "readings")) }

// What ClickHouse was sent after the backup is not in the log any more: it goes, nothing is
// built anew, and what comes next, at the same places, counts once.
func TestLostBlocksAreTakenOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.append(measurements(4)...)
	b.runTo(b.append(measured{Gauge: "x", Values: []int64{7}, At: january, Fault: "error"}))
	b.append(measurements(3)...)
	b.dieAt(stepSent, 1) // a block that the backup knows as planned
	b.backUp()
	b.runTo(b.append(measurements(9)...)) // the lost part: other blocks of the same places
	b.retryLost()
	b.exact(b.runTo(b.append(measurements(1)...), mended(t)))

	b.restore(promoted)
	to := b.append(measurements(2)...)
	p := b.runTo(to)
	b.exact(p)
	if rows := b.shownRows(); rows != 2*(4+3+2) {
		t.Errorf("the mart shows %d rows", rows)
	}
	if g := b.generation(); g != 1 {
		t.Errorf("generation %d is written: the facts were built anew", g)
	}
	b.shows(p, 18, 1)
}

// retryLost orders another try of what is parked.
func (b *bench) retryLost() {
	b.t.Helper()
	b.sql(`update readside.cold_parked set state = 'retrying'`)
}

// The writer of before may still live, with a ledger of its own: no block of it comes in.
func TestAWriterOfBeforeIsKeptOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.append(measurements(6)...)
	late := b.captureBlocks()
	late.capture(&b.cfg)
	b.backUp()
	late.base = b.log.Start()
	b.restore(promoted)
	p := b.runTo(b.append(measurements(2)...))
	b.exact(p)
	w := &worker{Projector: b.open(), state: checkpoint{generation: 1, epoch: 1_000}}
	if err := w.measureSkew(bounded(t)); err != nil {
		t.Fatal(err)
	}
	_, incarnation, _ := late.base.Parts()
	for i, block := range late.batches[0].blocks {
		block.batch, block.attempt = int64(incarnation)<<batchShift+int64(i+1), 1
		if err := w.insert(bounded(t), block); !contains(fmt.Sprint(err), ownBlocks) {
			t.Errorf("a late block of the former incarnation: %v", err)
		}
	}
	w.incarnation = incarnation
	if err := w.putMarks(bounded(t), map[string]uint64{"readings_v1_g1": 1_000}); !contains(fmt.Sprint(err), ownBlocks) {
		t.Errorf("a late watermark of the former incarnation: %v", err)
	}
	b.exact(p)
}

// A dump may be a copy for trying something out, beside the original: it takes nothing out of
// the original's ClickHouse until an operator says so.
func TestACopyAsksBeforeItTakesClickHouse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(4)...))
	b.backUp()
	b.runTo(b.append(measurements(6)...))
	b.restore(dumped)
	to := b.append(measurements(1)...)

	p := b.open()
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	var refused error
	p.onRetry = func(err error) { refused = err; cancel() }
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	var copied *CopyError
	if !errors.As(refused, &copied) {
		t.Fatalf("the copy worked, or failed otherwise: %v", refused)
	}
	if rows := b.count("readings_v1_g1"); rows != 20 {
		t.Errorf("the original's table has %d rows of 20", rows)
	}
	s, err := p.Status(bounded(t))
	if err != nil || s.State != StateHalted || s.Fault == nil || !contains(s.Fault.Hint, "take-over") {
		t.Errorf("status: %+v, %v", s, err)
	}
	if err := p.TakeClickHouse(bounded(t)); err != nil {
		t.Fatal(err)
	}
	b.exact(b.runTo(to))
	if g := b.generation(); g != 1 {
		t.Errorf("generation %d is written: the facts were built anew", g)
	}
}

// The original, or a copy of an earlier timeline, does not take back what a later one took.
func TestWhoSucceedsWhom(t *testing.T) {
	t.Parallel()
	here := where{incarnation: 5, system: 1, timeline: 3, database: 4, relation: 6}
	for name, c := range map[string]struct {
		former where
		may    bool
	}{
		"nobody":                  {where{}, true},
		"itself":                  {here, true},
		"a former timeline":       {where{4, 1, 2, 4, 6}, true},
		"the same timeline":       {where{4, 1, 3, 4, 6}, false},
		"a later timeline":        {where{4, 1, 4, 4, 6}, false},
		"another cluster":         {where{4, 2, 2, 4, 6}, false},
		"another database":        {where{4, 1, 2, 5, 6}, false},
		"another table of events": {where{4, 1, 2, 4, 7}, false},
	} {
		if may := (standing{here: here}).mayTake(c.former); may != c.may {
			t.Errorf("%s: %v", name, may)
		}
		if !(standing{here: here, confirmed: 5}).mayTake(c.former) {
			t.Errorf("%s: an operator's word does not count", name)
		}
	}
}

// Tables that do not hold what the ledger says are made anew, while those shown stay: the
// ledger was set back behind a rebuild, or ClickHouse is another one.
func TestTablesThatAreGoneAreMadeAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(4)...))
	b.backUp()
	if err := b.open().Rebuild(bounded(t)); err != nil {
		t.Fatal(err)
	}
	b.runTo(b.append(measurements(6)...))
	b.restore(promoted)
	b.exact(b.runTo(b.append(measurements(1)...)))
	if rows := b.shownRows(); rows != 10 {
		t.Errorf("the mart shows %d rows of 10", rows)
	}
}
