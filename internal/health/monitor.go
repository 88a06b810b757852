package health

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/readside/readside/internal/status"
)

const (
	// lookWait bounds what one look at the stores may take.
	lookWait = 4 * time.Second
	// lookFor is how long a look is shown again without another one.
	lookFor = time.Second
)

// Look looks at the stores. With its error it returns what could be seen nevertheless.
type Look func(context.Context) (*status.Report, error)

// Snapshot is what was seen at a moment.
type Snapshot struct {
	Report   *status.Report
	Troubles []status.Trouble
	// Known reports whether the report holds more than what stores are there.
	Known bool
}

// Ready reports whether everything in the scope does what it is for. What is degraded
// does, and says that something is missing.
func (s *Snapshot) Ready() bool {
	for _, t := range s.Troubles {
		if !t.Degraded {
			return false
		}
	}
	return true
}

// Monitor lets one caller look at a time; the others, and those of the next second, are
// shown what it saw.
type Monitor struct {
	look  Look
	scope status.Scope

	mu     sync.Mutex
	last   *Snapshot
	looked time.Time
	shared singleflight.Group
}

// NewMonitor makes a Monitor.
func NewMonitor(scope status.Scope, look Look) *Monitor { return &Monitor{look: look, scope: scope} }

// Now is what was seen within the last second.
func (m *Monitor) Now() *Snapshot {
	m.mu.Lock()
	if m.last != nil && time.Since(m.looked) < lookFor {
		defer m.mu.Unlock()
		return m.last
	}
	m.mu.Unlock()
	found, _, _ := m.shared.Do("", func() (any, error) {
		// Of nobody's request: others wait for it, too.
		ctx, cancel := context.WithTimeout(context.Background(), lookWait)
		defer cancel()
		s := m.seen(m.look(ctx))
		m.mu.Lock()
		defer m.mu.Unlock()
		m.last, m.looked = s, time.Now()
		return s, nil
	})
	return found.(*Snapshot)
}

func (m *Monitor) seen(report *status.Report, err error) *Snapshot {
	if report == nil {
		report = &status.Report{}
	}
	if err == nil {
		return &Snapshot{Report: report, Troubles: report.Troubles(m.scope), Known: true}
	}
	report.Stores = append([]status.Store{status.Postgres(err)}, report.Stores...)
	return &Snapshot{Report: report, Troubles: report.Troubles(status.Scope{})}
}
