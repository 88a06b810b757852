package cold

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/readside/readside/eventlog"
)

// A history whose times are shuffled over many months goes to many partitions. Each gets
// few INSERTs for all of it, and not one for some events.
func TestAShuffledHistoryIsSentInLargeBlocks(t *testing.T) {
	t.Parallel()
	const months, n = 48, 3_000
	const most = 3 * 2 * months // two tables, and batches that end where a reader had read no further
	b := newBench(t)
	shuffled := rand.New(rand.NewPCG(1, 2))
	var to eventlog.Position
	for range 3 {
		events := make([]eventlog.Typed, n)
		for i := range events {
			at := time.Date(2015, time.Month(1+shuffled.IntN(months)), 5, 0, 0, 0, 0, time.UTC)
			events[i] = measured{Gauge: "g", Values: []int64{int64(i)}, Since: january, At: at}
		}
		to = b.append(events...)
	}
	blocks := 0
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	p := b.open(func(c *Config) {
		c.Observer.Written = func(w Written) {
			if blocks += w.Blocks; w.Position == to || blocks > most {
				cancel()
			}
		}
	})
	p.senders = sendersMost
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if blocks > most || blocks < 2*months {
		t.Fatalf("%d events took %d INSERTs or more, want %d at most", 3*n, blocks, most)
	}
	b.exact(p)
}

// What a dead worker's INSERT still does is ended before its block is counted.
func TestARunningInsertOfADeadWorkerIsEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	to := b.append(measurements(2)...)
	b.dieAt(stepPlanned, 1)
	var id string
	err := b.db.Pool.QueryRow(bounded(t), `select table_name || '/' || batch || '/' || attempt || '@' || epoch from readside.cold_ledger order by batch limit 1`).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	p := b.open()
	id = p.database + "." + id
	b.exec("CREATE TABLE late (n UInt64) ENGINE = MergeTree ORDER BY n")
	running := func() (n uint64) {
		if err := b.cfg.ClickHouse.QueryRow(bounded(t), "SELECT count() FROM system.processes WHERE query_id = "+quote(id)).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	inserting, cancelInsert := context.WithCancel(bounded(t))
	defer cancelInsert()
	var insert sync.WaitGroup
	insert.Go(func() {
		ctx := clickhouse.Context(inserting, clickhouse.WithQueryID(id))
		if err := b.cfg.ClickHouse.Exec(ctx, "INSERT INTO late SELECT number + sleepEachRow(0.5) FROM numbers(200) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0"); err == nil {
			t.Error("the dead worker's INSERT came to its end")
		}
	})
	for ctx := bounded(t); ctx.Err() == nil && running() == 0; {
		continue
	}
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	counted := false
	p.at = func(s step) error {
		if s == stepCounted && !counted {
			counted = true
			if running() != 0 {
				t.Error("a block is counted while its INSERT runs")
				cancelInsert() // else it takes longer than this test may
			}
		}
		if s == stepRested && b.reached(to) {
			cancel()
		}
		return nil
	}
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	insert.Wait()
	if !counted {
		t.Error("nothing was counted")
	}
}
