package stack

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/readside/readside/internal/service"
)

// stopWait bounds how long services take to stop.
const stopWait = 30 * time.Second

// running is what runs in this process.
type running struct {
	life    context.Context
	stopAll func()
	query   *service.Query
	// commands is the host and port where the services take commands.
	commands string
	// projectHealth and servicesHealth are where their /readyz is.
	projectHealth, servicesHealth string
	// ended is closed when something has ended by itself, which nothing does unless it failed.
	ended        chan struct{}
	stopServices func()
	servicesDone chan struct{}

	group   sync.WaitGroup
	mu      sync.Mutex
	errs    []error
	endOnce sync.Once
}

// newRunning is nothing that runs yet. What comes lives until stop, whatever becomes of ctx.
func newRunning(ctx context.Context) *running {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	close(done)
	return &running{life: life, stopAll: stop, ended: make(chan struct{}), stopServices: func() {}, servicesDone: done}
}

// run runs something and notes how it ended.
func (r *running) run(name string, do func() error) {
	r.group.Go(func() {
		err := do()
		r.mu.Lock()
		defer r.mu.Unlock()
		if err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s: %w", name, err))
			r.endOnce.Do(func() { close(r.ended) })
		}
	})
}

// Ended is closed when something has failed; Err is why.
func (s *Stack) Ended() <-chan struct{} { return s.running.ended }

// Err is why something has ended, nil while everything runs.
func (s *Stack) Err() error {
	s.running.mu.Lock()
	defer s.running.mu.Unlock()
	return errors.Join(s.running.errs...)
}

// StopServices lets the services finish what they have begun; from then on there are no
// new events.
func (s *Stack) StopServices() error {
	s.running.stopServices()
	select {
	case <-s.running.servicesDone:
		return s.Err()
	case <-time.After(stopWait):
		return fmt.Errorf("the services did not stop within %s", stopWait)
	}
}

// stop ends everything and waits for it.
func (r *running) stop() error {
	r.stopAll()
	done := make(chan struct{})
	go func() { defer close(done); r.group.Wait() }()
	select {
	case <-done:
		return nil // what failed was told already
	case <-time.After(stopWait):
		return fmt.Errorf("the services did not stop within %s", stopWait)
	}
}
