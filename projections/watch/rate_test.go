package watch

import (
	"context"
	"testing"
	"time"
)

// In every second no more is paid for than the rate, and a page more; the clock is the
// test's own.
func TestThePaceKeepsToItsRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []Rate{1, 7, 500, 2_000, 50_000} {
		start := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
		now := start
		p := newPace(rate, func() time.Time { return now }, func(_ context.Context, d time.Duration) error {
			now = now.Add(d)
			return nil
		})
		paid := 0
		for i := range 2_000 {
			events := 1 + i%(2*rate.PageEvents())
			if err := p.Wait(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			paid += events
			if most := float64(rate)*now.Sub(start).Seconds() + float64(rate.PageEvents()) + 1; float64(paid) > most {
				t.Fatalf("at %d events/s, %d were paid for within %s", rate, paid, now.Sub(start))
			}
		}
		if least := float64(rate)*now.Sub(start).Seconds() - float64(rate); float64(paid) < least {
			t.Errorf("at %d events/s, only %d were paid for within %s", rate, paid, now.Sub(start))
		}
		if rate.PageEvents() > int(rate) {
			t.Errorf("at %d events/s, a page has %d", rate, rate.PageEvents())
		}
	}
}

// A pace that waits ends with its context.
func TestThePaceEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := NewPace(1)
	ctx, cancel := context.WithCancel(t.Context())
	if err := p.Wait(ctx, 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.Wait(ctx, 1000); err == nil {
		t.Error("it waited on")
	}
}

func TestRatesAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rate{"off": Off, "1": 1, "2000": 2000} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want || r.String() != text || r.Validate() != nil {
			t.Errorf("%s: %v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "Off", "1.5", "2000000"} {
		if err := new(Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
