package shopload

import (
	"fmt"
	"sync"
	"time"
)

// Report is what became of a run.
type Report struct {
	// Commands are the accepted ones, by service and kind.
	Commands map[string]map[string]int64
	// Refused are the refusals that a public must expect (a product just discontinued, an
	// order that cannot be cancelled any more), Unexpected all other failures; by
	// "<service> <kind> <code>".
	Refused, Unexpected map[string]int64
	// Orders by the state in which they were seen last.
	Orders map[string]int64
	// Unsettled are orders that had come to no rest when the wait for them ended.
	Unsettled int64
	// Elapsed is the whole run, the wait for orders under way included.
	Elapsed time.Duration
	// FirstUnexpected is the first unexpected failure in words.
	FirstUnexpected string
}

// Total is the number of accepted commands.
func (r Report) Total() (n int64) {
	for _, kinds := range r.Commands {
		for _, count := range kinds {
			n += count
		}
	}
	return n
}

// Service is the number of accepted commands of one service.
func (r Report) Service(name string) (n int64) {
	for _, count := range r.Commands[name] {
		n += count
	}
	return n
}

// Observer is told what happens, from many goroutines at once. A nil function is not called.
type Observer struct {
	// Accepted is called for each accepted command.
	Accepted func(service, kind string, took time.Duration)
	// Refused is called for each refusal; unexpected reports whether it should not have been.
	Refused func(service, kind, code string, unexpected bool)
}

// tally collects the report.
type tally struct {
	observer Observer
	mu       sync.Mutex
	report   Report
}

func newTally(o Observer) *tally {
	return &tally{observer: o, report: Report{
		Commands: map[string]map[string]int64{}, Refused: map[string]int64{},
		Unexpected: map[string]int64{}, Orders: map[string]int64{},
	}}
}

func (t *tally) accepted(service, kind string, took time.Duration) {
	t.mu.Lock()
	if t.report.Commands[service] == nil {
		t.report.Commands[service] = map[string]int64{}
	}
	t.report.Commands[service][kind]++
	t.mu.Unlock()
	if t.observer.Accepted != nil {
		t.observer.Accepted(service, kind, took)
	}
}

func (t *tally) refused(service, kind, code string) {
	t.mu.Lock()
	t.report.Refused[service+" "+kind+" "+code]++
	t.mu.Unlock()
	if t.observer.Refused != nil {
		t.observer.Refused(service, kind, code, false)
	}
}

func (t *tally) unexpected(service, kind, code, detail string) {
	t.mu.Lock()
	t.report.Unexpected[service+" "+kind+" "+code]++
	if t.report.FirstUnexpected == "" {
		t.report.FirstUnexpected = fmt.Sprintf("%s %s: %s: %s", service, kind, code, detail)
	}
	t.mu.Unlock()
	if t.observer.Refused != nil {
		t.observer.Refused(service, kind, code, true)
	}
}

func (t *tally) rested(status string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Orders[status]++
}
