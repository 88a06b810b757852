package announce

import (
	"context"
	"time"
)

// How long a reader waits for an announcement before it looks by itself.
const (
	// pollDeaf is without a connected listener.
	pollDeaf = 10 * time.Millisecond
	// pollListening bounds what a lost announcement costs.
	pollListening = 50 * time.Millisecond
)

// PollEvery returns how long a reader waits for an announcement before it looks by itself.
func (l *Listener) PollEvery() time.Duration {
	if l.Connected() {
		return pollListening
	}
	return pollDeaf
}

// Wait returns at the announcement, after the interval, or with the context's error.
func Wait(ctx context.Context, announced <-chan struct{}, interval time.Duration) error {
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-announced:
	case <-timer.C:
	}
	return nil
}
