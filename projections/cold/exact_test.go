package cold

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

func TestAFaultHaltsRightBeforeTheEvent(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"error", "panic", "unstorable"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.append(measurements(3)...)
			at := b.append(measured{Gauge: "g", Values: []int64{1}, At: january, Since: january, Fault: kind})
			b.append(measurements(2)...)
			p := b.open(func(c *Config) { c.ParkedMax = HaltAtFirst })
			err := p.Run(bounded(t))
			var fault *projections.FoldError
			if !errors.As(err, &fault) || fault.Position != at || fault.View != "readings" || fault.Type != "test.Measured" || fault.Hint == "" {
				t.Fatalf("run answered %v, want a fault at place %d", err, at.Place())
			}
			s, err := p.Status(bounded(t))
			if err != nil {
				t.Fatal(err)
			}
			if s.State != StateHalted || s.Fault == nil || s.Fault.Position != at || s.Position.Place() != at.Place()-1 {
				t.Errorf("status %+v, fault %+v", s, s.Fault)
			}
			if s.Tables[0].Rows != 6 {
				t.Errorf("%d rows are there, want the 6 before the fault", s.Tables[0].Rows)
			}
		})
	}
}

func TestPartitionsAreMonthsInUTC(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.runTo(b.append(measurements(4)...))
	report, err := p.Verify(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range report.Tables {
		if len(table.Partitions) != 2 || table.Partitions[0].Partition != 202601 || table.Partitions[1].Partition != 202602 || !report.Equal() {
			t.Errorf("table %s has partitions %+v", table.Table, table.Partitions)
		}
	}
}

// Analysts see a batch whole or not at all.
func TestTheMartStopsAtTheWatermark(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.runTo(b.append(measurements(4)...))
	b.append(measurements(6)...)
	b.dieAt(stepInserted, 1)
	if rows := b.count(qualified(p.Mart(), "readings")); rows != 8 {
		t.Errorf("the mart shows %d rows of an unfinished batch, want the 8 before it", rows)
	}
	if rows := b.count("readings_v1_g1"); rows != 20 {
		t.Errorf("the table has %d rows, want 20", rows)
	}
}

func (b *bench) count(table string) (rows uint64) {
	b.t.Helper()
	if err := b.cfg.ClickHouse.QueryRow(bounded(b.t), "SELECT count() FROM "+table).Scan(&rows); err != nil {
		b.t.Fatal(err)
	}
	return rows
}

func TestEventsOfOtherTypesMoveTheCheckpoint(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.runTo(b.append(ignored{}, ignored{}))
	s, err := p.Status(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.State != StateLive || s.LagEvents != 0 || s.PlannedBlocks != 0 {
		t.Errorf("status %+v", s)
	}
	b.exact(p)
}

func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var events []eventlog.Typed
	for month := range 40 { // 40 months are 80 blocks: more than one batch may have
		events = append(events, measured{Gauge: "g", Values: []int64{1}, Since: january, At: time.Date(2015, time.Month(1+month), 5, 0, 0, 0, 0, time.UTC)})
	}
	to := b.append(events...)
	most := 0
	ctx, cancel := context.WithCancel(bounded(t))
	p := b.open(func(c *Config) {
		c.Observer.Written = func(w Written) {
			most = max(most, w.Blocks)
			if w.Position == to {
				cancel()
			}
		}
	})
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if most > batchBlocksMax || most == 0 {
		t.Errorf("a batch had %d blocks", most)
	}
	b.exact(p)
}

func TestVerifyNamesDamage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, damage, what string }{
		{"deleted", "ALTER TABLE readings_v1_g1 DELETE WHERE _position = 3 AND _row = 1 SETTINGS mutations_sync = 2", "missing"},
		{"changed", "ALTER TABLE readings_v1_g1 UPDATE ratio = 0.25 WHERE _position = 3 AND _row = 1 SETTINGS mutations_sync = 2", "other values"},
		{"twice", "INSERT INTO readings_v1_g1 SELECT * FROM readings_v1_g1 WHERE _position = 3 AND _row = 1", "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			p := b.runTo(b.append(measurements(6)...))
			b.exact(p)
			b.exec(c.damage)
			report, err := p.Verify(bounded(t))
			if err != nil {
				t.Fatal(err)
			}
			if report.Equal() || len(report.Differences) != 1 {
				t.Fatalf("report %+v", report)
			}
			d := report.Differences[0]
			if d.Table != "readings_v1_g1" || d.Partition != 202601 || d.Place != 3 || d.Row != 1 || d.What != c.what {
				t.Errorf("found %+v", d)
			}
			b.rebuild(p)
			b.exact(p)
		})
	}
}

func (b *bench) rebuild(p *Projector) {
	b.t.Helper()
	if err := p.Rebuild(bounded(b.t)); err != nil {
		b.t.Fatal(err)
	}
	s, err := p.Status(bounded(b.t))
	if err != nil {
		b.t.Fatal(err)
	}
	if !s.Rebuilding {
		b.t.Errorf("status does not say that the tables are rebuilt: %+v", s)
	}
	head, err := b.log.Head(bounded(b.t))
	if err != nil {
		b.t.Fatal(err)
	}
	b.runTo(head)
}

// While a projector runs, a rebuild goes by without analysts ever seeing less.
func TestRebuildUnderReaders(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(40)...)
	p := b.runTo(to)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	running := b.open(func(c *Config) { c.BatchRows = 10 })
	ready := make(chan struct{})
	once := sync.OnceFunc(func() { close(ready) })
	running.at = func(s step) error {
		if s == stepReady {
			once()
		}
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- running.Run(ctx) }()
	<-ready // it has folded all there is: nothing but the order will wake it
	if err := p.Rebuild(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		if rows := b.count(qualified(p.Mart(), "readings")); rows != 80 {
			t.Fatalf("a reader saw %d rows, want 80", rows)
		}
		s, err := p.Status(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !s.Rebuilding && s.Tables[0].Table == "readings_v1_g2" {
			break
		}
	}
	// The worker drops the old tables after the mart has left them.
	for b.oldTables(ctx) != 0 {
		continue
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	b.exact(p)
}

// oldTables counts the tables of the first generation. It ends the test with ctx.
func (b *bench) oldTables(ctx context.Context) (old uint64) {
	b.t.Helper()
	if err := b.cfg.ClickHouse.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE '%_g1'").Scan(&old); err != nil {
		b.t.Fatal(err)
	}
	return old
}

func TestAChangedDefinitionIsBuiltAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(measurements(6)...))
	changed := readings(3)
	changed.Version = 2
	set, err := projections.NewSet(changed)
	if err != nil {
		t.Fatal(err)
	}
	b.cfg.Set = set // totals is gone
	p := b.runTo(b.append(measurements(2)...))
	b.exact(p)
	s, err := p.Status(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Tables) != 1 || s.Tables[0].Table != "readings_v2_g2" || s.Tables[0].Rows != 16 {
		t.Errorf("tables %+v", s.Tables)
	}
	if err := b.cfg.ClickHouse.Exec(bounded(t), "SELECT count() FROM "+qualified(p.Mart(), "totals")); err == nil {
		t.Error("the view of a fact that is gone is still there")
	}
}
