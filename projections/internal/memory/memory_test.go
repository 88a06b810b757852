package memory

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// Who wants no number gets a part of the limit, between bounds.
func TestMemoryIsAPartOfTheLimit(t *testing.T) {
	limit := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(limit)
	for _, c := range []struct{ limit, wanted, want int64 }{
		{512 << 20, 0, 128 << 20}, {512 << 20, 300 << 20, 300 << 20}, {64 << 30, 0, 1 << 30}, {1 << 20, 0, 1 << 20}, {math.MaxInt64, 0, 256 << 20},
	} {
		debug.SetMemoryLimit(c.limit)
		if got := For(c.wanted); got != c.want {
			t.Errorf("of %d bytes, %d wanted: %d, not %d", c.limit, c.wanted, got, c.want)
		}
	}
}

// The collector comes less often while builds run, where a limit leaves room, and
// as before when the last one has ended; GOGC and a missing limit leave it alone.
func TestTheCollectorIsRelaxedWhileBuildsRun(t *testing.T) {
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	limit := debug.SetMemoryLimit(1 << 40)
	defer debug.SetMemoryLimit(limit)
	percent := func() int {
		now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(now)
		return int(now[0].Value.Uint64())
	}
	t.Setenv("GOGC", "")

	const budget = 1 << 30
	first, second := RelaxCollector(budget), RelaxCollector(budget)
	first()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if goal := int64(max(leastHeap, live[0].Value.Uint64())) * int64(percent()) / 100; goal < budget/2 || goal > 4*budget {
		t.Errorf("the first collection of a build comes at %d bytes, and its budget is %d", goal, int64(budget))
	}
	runtime.GC()
	for deadline := time.After(10 * time.Second); percent() != relaxedPercent; {
		select {
		case <-deadline:
			t.Fatalf("after the first collection: %d", percent())
		case <-time.After(time.Millisecond):
		}
	}
	second()
	if got := percent(); got != 70 {
		t.Errorf("afterwards: %d", got)
	}
	for _, leave := range []func(){
		func() { debug.SetMemoryLimit(math.MaxInt64) },
		func() { debug.SetMemoryLimit(8*budget - 1) },
		func() { debug.SetMemoryLimit(1 << 40); t.Setenv("GOGC", "70") },
	} {
		leave()
		restore := RelaxCollector(budget)
		if got := percent(); got != 70 {
			t.Errorf("there is no limit, or little room, or somebody said GOGC: %d", got)
		}
		restore()
	}
}
