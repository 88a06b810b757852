package announce

import "time"

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
