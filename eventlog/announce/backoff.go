package announce

import (
	"context"
	"time"
)

// Between two attempts to connect: doubled each time, up to the bound.
const (
	backoffFirst = 50 * time.Millisecond
	backoffMax   = 5 * time.Second
)

type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, backoffFirst), backoffMax)
	return b.last
}

func (b *backoff) reset() { b.last = 0 }

// pause ends after d or with the context.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
