package engine

import (
	"math"
	"os"
	"runtime/debug"
	"sync"
)

// While a build holds its rows, the garbage collector goes over them again and again to
// free what the pages left. It comes less often then, where a memory limit says how far
// that may go, and where nobody chose otherwise by GOGC.

// relaxedPercent is debug.SetGCPercent's value while a build runs.
const relaxedPercent = 300

// collector counts the builds of this process.
var collector struct {
	sync.Mutex
	builds, before int
}

// relaxCollector lets the collector come less often until restore is called.
func relaxCollector() (restore func()) {
	if os.Getenv("GOGC") != "" || debug.SetMemoryLimit(-1) == math.MaxInt64 {
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
