// Package memory decides how many bytes a build or a verification may hold, and how often
// the garbage collector comes meanwhile.
package memory

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// For returns how many bytes a build or a verification may hold, unless its caller wants
// another number: a quarter of the process's memory limit, at most 1 GiB.
func For(wanted int64) int64 {
	if wanted > 0 {
		return wanted
	}
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return defaultBytes
	}
	return min(max(limit/4, 1<<20), mostBytes)
}

const (
	defaultBytes = 256 << 20
	mostBytes    = 1 << 30 // unless the caller wants more
)

// While a build holds its rows, the garbage collector goes over them again and again to
// free what the pages left. It comes less often then, where the memory limit has room for
// what it leaves lying about, and where nobody chose otherwise by GOGC: for the first time
// when the budget is used, and then when the heap is a few times what was left.

// relaxedPercent is debug.SetGCPercent's value while a build runs.
const relaxedPercent = 300

// collector counts the builds of this process.
var collector struct {
	sync.Mutex
	builds, before int
}

// RelaxCollector lets the collector come less often until restore is called; budget is
// how many bytes the build holds.
func RelaxCollector(budget int64) (restore func()) {
	const most = 2 * (1 + relaxedPercent/100) // times the budget: twice what the heap grows to
	limit := debug.SetMemoryLimit(-1)
	if os.Getenv("GOGC") != "" || limit == math.MaxInt64 || limit/most < budget {
		return func() {}
	}
	collector.Lock()
	defer collector.Unlock()
	if collector.builds++; collector.builds == 1 {
		collector.before = debug.SetGCPercent(untilFirst(budget))
		// Nobody has this pointer: it goes with the first collection.
		runtime.AddCleanup(new(*int), func(int) { collected() }, 0)
	}
	return func() {
		collector.Lock()
		defer collector.Unlock()
		if collector.builds--; collector.builds == 0 {
			debug.SetGCPercent(collector.before)
		}
	}
}

// leastHeap is what the collector takes a smaller heap for.
const leastHeap = 4 << 20

// untilFirst lets the heap grow to the budget, whatever it holds now.
func untilFirst(budget int64) (percent int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return max(relaxedPercent, int(100*budget/int64(max(leastHeap, live[0].Value.Uint64()))))
}

// collected continues after the first collection of a build.
func collected() {
	collector.Lock()
	defer collector.Unlock()
	if collector.builds > 0 {
		debug.SetGCPercent(relaxedPercent)
	}
}
