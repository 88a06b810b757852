package watch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how many events per second continuous verification reads at most; Off, the zero
// value, turns it off.
type Rate int

// Off compares nothing.
const Off Rate = 0

const (
	// rateMax is more than anybody's log can be read at.
	rateMax = 1_000_000
	// pageEvents is how many events are read at once, at most.
	pageEvents = 500
)

// UnmarshalText reads a number of events per second, or off.
func (r *Rate) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*r = Off
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > rateMax {
		return fmt.Errorf("%q is no rate of verification: give 1 to %d events per second, or off", text, rateMax)
	}
	*r = Rate(n)
	return nil
}

// String is what UnmarshalText reads.
func (r Rate) String() string {
	if r == Off {
		return "off"
	}
	return strconv.Itoa(int(r))
}

// Validate refuses what is no rate.
func (r Rate) Validate() error {
	if r < Off || r > rateMax {
		return fmt.Errorf("the rate of continuous verification is out of range: give 1 to %d events per second, or 0 for none", rateMax)
	}
	return nil
}

// PageEvents is how many events to read at once: never more than the rate allows in a second.
func (r Rate) PageEvents() int { return min(pageEvents, max(1, int(r))) }

// Pace holds its callers to a rate. It is safe for concurrent use.
type Pace struct {
	limiter *rate.Limiter
	burst   int
	now     func() time.Time
	sleep   func(ctx context.Context, d time.Duration) error
}

// NewPace returns a pace of a rate that is not Off.
func NewPace(r Rate) *Pace { return newPace(r, time.Now, sleep) }

func newPace(r Rate, now func() time.Time, sleep func(context.Context, time.Duration) error) *Pace {
	burst := r.PageEvents()
	return &Pace{limiter: rate.NewLimiter(rate.Limit(r), burst), burst: burst, now: now, sleep: sleep}
}

// Wait pays for events that were read: it returns when as many may be read again. A read
// that found nothing costs one event.
func (p *Pace) Wait(ctx context.Context, events int) error {
	for events = max(1, events); events > 0; events -= p.burst {
		at := p.now()
		if err := p.sleep(ctx, p.limiter.ReserveN(at, min(events, p.burst)).DelayFrom(at)); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
