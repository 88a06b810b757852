package logtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/readside/readside/eventlog/announce"
)

// InBackground runs until the test's end and waits for it.
func InBackground(t testing.TB, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(Bounded(t))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v, not with its context", err)
		}
	})
}

// Connected waits for the listener's first connection, which is announced too.
func Connected(t testing.TB, listener *announce.Listener) {
	t.Helper()
	ctx := Bounded(t)
	for !listener.Connected() {
		select {
		case <-listener.Announced(announce.Events):
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatal("the listener does not connect")
		}
	}
}
