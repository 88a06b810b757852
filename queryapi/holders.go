package queryapi

import (
	"sync"
	"time"

	"github.com/readside/readside/projections/control"
)

// holdersAfter is how long nothing must have moved until it is looked who holds the log
// back: half of control.StalledAfter, so that a holder has been seen for long enough when a
// standstill counts, and is named at once.
const holdersAfter = `interval '5 seconds'`

// holders remembers since when transactions have been seen that hold the log back. How
// long another role's transaction has lasted, Postgres tells only its own.
type holders struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// see notes those that hold the log at a moment, and reports whether one of them has
// been seen for as long as counts. Those that have ended are forgotten.
func (h *holders) see(now time.Time, holding []string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := make(map[string]time.Time, len(holding))
	held := false
	for _, name := range holding {
		since, known := h.seen[name]
		if !known {
			since = now
		}
		seen[name] = since
		held = held || now.Sub(since) >= control.HeldAfter
	}
	h.seen = seen
	return held
}
