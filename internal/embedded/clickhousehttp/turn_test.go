package clickhousehttp

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// A user's places are that user's: those of another stay free, who waits too long is
// refused, and a place that is given back is taken again.
func TestPlacesAreBoundedByUser(t *testing.T) {
	t.Parallel()
	readers := newTurns(&User{Name: "reader", Limits: Limits{Slots: 1, Waiting: 1, WaitMax: 20 * time.Millisecond}})
	others := newTurns(&User{Name: "serve", Limits: Limits{Slots: 1, WaitMax: time.Minute}})
	ctx := context.Background()
	release, err := readers.take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readers.take(ctx); err == nil || !strings.Contains(err.Error(), "TOO_MANY_SIMULTANEOUS_QUERIES") {
		t.Errorf("the second of one place got %v", err)
	}
	free, err := others.take(ctx)
	if err != nil {
		t.Fatalf("another user: %v", err)
	}
	free()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := readers.take(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that is gone got %v", err)
	}
	release()
	if release, err = readers.take(ctx); err != nil {
		t.Fatalf("the place was not given back: %v", err)
	}
	release()
	if len(readers.here) != 0 || len(readers.slots) != 0 {
		t.Errorf("%d places and %d slots are taken by nobody", len(readers.here), len(readers.slots))
	}
}

func TestQuotaEndsWithItsWindow(t *testing.T) {
	t.Parallel()
	q := newTurns(&User{Name: "reader", Limits: Limits{Slots: 1, StatementsMax: 2, BusyMax: time.Second}})
	now := time.Now()
	for n, want := range []bool{true, true, false} {
		if err := q.charge(now); (err == nil) != want {
			t.Errorf("statement %d: %v", n+1, err)
		}
	}
	if err := q.charge(now.Add(quotaWindow)); err != nil {
		t.Errorf("in the next window: %v", err)
	}
	q.ran(2 * time.Second)
	if err := q.charge(now.Add(quotaWindow + time.Second)); err == nil || !strings.Contains(err.Error(), "QUOTA_EXCEEDED") {
		t.Errorf("after two seconds of one: %v", err)
	}
}

// Where connections are at their bound, strangers give way to each other and to readers,
// and nobody to a stranger.
func TestConnectionsAtTheirBound(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	b := bound(inner, 3)
	accept := func() *connection {
		t.Helper()
		client, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		c, err := b.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c.(*connection)
	}
	open := func(c *connection) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.open[c.number] == c
	}
	projector, reader, stranger := accept(), accept(), accept()
	trust(withConnection(context.Background(), projector), &User{Name: UserDefault, Writes: true})
	trust(withConnection(context.Background(), reader), &User{Name: UserReader})
	second := accept()
	if open(stranger) || !open(second) || !open(projector) || !open(reader) {
		t.Error("the stranger did not give way")
	}
	trust(withConnection(context.Background(), second), &User{Name: UserServe})
	third := accept()
	if open(reader) || !open(third) || !open(second) || !open(projector) {
		t.Error("the reader did not give way, as the least trusted")
	}
	if err := projector.Close(); err != nil {
		t.Fatal(err)
	}
	if fourth := accept(); !open(fourth) || !open(third) || !open(second) {
		t.Error("a place that was given back was not taken")
	}
}
