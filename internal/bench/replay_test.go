//go:build unix

package bench

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/replay"
)

// BenchmarkReplay is the fold of a build without its writing: the CPU of this process
// per event of the log, which swings less than the time does.
func BenchmarkReplay(b *testing.B) {
	const events = 200_000
	a, err := newArena(b.Context(), dbtest.Postgres(b).Pool, events)
	if err != nil {
		b.Fatal(err)
	}
	before := processCPU(b)
	for b.Loop() {
		cfg := replay.Config{Log: a.log, Set: a.set, Until: a.last}
		if _, err := replay.Run(b.Context(), cfg, func(context.Context, replay.Slice) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	used := processCPU(b) - before
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(b.N)/events, "cpu-µs/event")
}

func processCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
