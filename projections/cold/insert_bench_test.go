package cold

import (
	"fmt"
	"strings"
	"testing"

	"github.com/readside/readside/projections"
)

// BenchmarkInsert sends blocks of 100 and of 50,000 rows into tables with and without
// fsync: what it costs that an acknowledged block survives a power cut.
func BenchmarkInsert(b *testing.B) {
	for _, rows := range []int{100, 50_000} {
		for _, fsync := range []bool{true, false} {
			b.Run(fmt.Sprintf("rows=%d/fsync=%t", rows, fsync), func(b *testing.B) { benchmarkInsert(b, rows, fsync) })
		}
	}
}

func benchmarkInsert(b *testing.B, rows int, fsync bool) {
	on := newBench(b)
	w := &worker{Projector: on.open(), state: checkpoint{generation: 1, epoch: 1}}
	create := CreateTable(on.model("readings"), w.database, 1)
	if !fsync {
		create = strings.NewReplacer("fsync_after_insert = 1", "fsync_after_insert = 0", "fsync_part_directory = 1", "fsync_part_directory = 0").Replace(create)
	}
	on.exec(create)
	if err := w.measureSkew(bounded(b)); err != nil {
		b.Fatal(err)
	}
	block := newBlock(0, on.model("readings"), 202601)
	for i := range rows {
		block.add(&reading{Gauge: "g", Text: fmt.Sprint(i), Value: int64(i), Since: january, At: january}, int64(i+1), 0, nil)
	}
	for b.Loop() {
		block.batch++ // another token
		if err := w.insert(b.Context(), block); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func (b *bench) model(fact string) *projections.FactModel {
	b.t.Helper()
	for _, m := range b.cfg.Set.Facts() {
		if m.Name == fact {
			return m
		}
	}
	b.t.Fatalf("there is no fact %s", fact)
	return nil
}
