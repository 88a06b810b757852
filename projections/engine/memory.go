package engine

import (
	"math"
	"os"
	"runtime/debug"
	"sync"
)

// memoryFor is how many bytes a build or a verification may hold, unless its caller wants
// another number: a quarter of the process's memory limit, at most 1 GiB.
func memoryFor(wanted int64) int64 {
	if wanted > 0 {
		return wanted
	}
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return defaultBuildBytes
	}
	return min(max(limit/4, 1<<20), mostBuildBytes)
}

// While a build holds its rows, the garbage collector goes over them again and again to
// free what the pages left. It comes less often then, where the memory limit has room for
// what it leaves lying about, and where nobody chose otherwise by GOGC.

// relaxedPercent is debug.SetGCPercent's value while a build runs.
const relaxedPercent = 300

// collector counts the builds of this process.
var collector struct {
	sync.Mutex
	builds, before int
}

// relaxCollector lets the collector come less often until restore is called; budget is
// how many bytes the build holds.
func relaxCollector(budget int64) (restore func()) {
	const most = 2 * (1 + relaxedPercent/100) // times the budget: twice what the heap grows to
	limit := debug.SetMemoryLimit(-1)
	if os.Getenv("GOGC") != "" || limit == math.MaxInt64 || limit/most < budget {
		return func() {}
	}
	collector.Lock()
	defer collector.Unlock()
	if collector.builds++; collector.builds == 1 {
		collector.before = debug.SetGCPercent(relaxedPercent)
	}
	return func() {
		collector.Lock()
		defer collector.Unlock()
		if collector.builds--; collector.builds == 0 {
			debug.SetGCPercent(collector.before)
		}
	}
}
