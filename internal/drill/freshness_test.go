package drill_test

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/readside/readside/eventlog"
)

// freshness measures how long after its commit an event is in what readers see: until
// the commit of the batch that moves the checkpoint past it.
type freshness struct {
	mu sync.Mutex
	// visible is the checkpoint.
	visible int64
	waiting []commit
	samples []sample
}

type commit struct {
	place int64
	at    time.Time
}

type sample struct {
	committed time.Time
	took      time.Duration
}

func (f *freshness) committed(place int64, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if place <= f.visible { // folded before its appender could say so
		f.samples = append(f.samples, sample{at, 0})
		return
	}
	f.waiting = append(f.waiting, commit{place, at})
}

func (f *freshness) folded(p eventlog.Position) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.visible = max(f.visible, p.Place())
	f.waiting = slices.DeleteFunc(f.waiting, func(c commit) bool {
		if c.place > p.Place() {
			return false
		}
		f.samples = append(f.samples, sample{c.at, max(0, now.Sub(c.at))})
		return true
	})
}

func (f *freshness) place() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.visible
}

// between are the samples of events committed in a stretch of time, sorted.
func (f *freshness) between(from, to time.Time) spread {
	f.mu.Lock()
	defer f.mu.Unlock()
	var s spread
	for _, x := range f.samples {
		if !x.committed.Before(from) && x.committed.Before(to) {
			s = append(s, x.took)
		}
	}
	slices.Sort(s)
	return s
}

// spread are sorted durations.
type spread []time.Duration

func (s spread) percentile(percent int) time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)-1, len(s)*percent/100)]
}

func (s spread) String() string {
	round := func(percent int) time.Duration { return s.percentile(percent).Round(10 * time.Microsecond) }
	return fmt.Sprintf("p50 %s p99 %s max %s of %d", round(50), round(99), round(100), len(s))
}
