package exact_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// counts are how often each fault happened.
type counts map[string]int

// tally counts what was done.
type tally struct {
	mu           sync.Mutex
	runs, events int
	counts       counts
}

func (t *tally) add(other *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs += other.runs
	t.events += other.events
	for name, n := range other.counts {
		t.count(name, n)
	}
}

func (t *tally) count(name string, n int) {
	if t.counts == nil {
		t.counts = counts{}
	}
	t.counts[name] += n
}

func (t *tally) String() string {
	parts := []string{fmt.Sprintf("%d events", t.events)}
	for _, name := range slices.Sorted(maps.Keys(t.counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", t.counts[name], name))
	}
	return strings.Join(parts, ", ")
}
