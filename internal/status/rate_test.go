package status

import (
	"math"
	"testing"
	"time"
)

// A projector folds batches of 10,000 events at 2,800/s while 400/s come in. However often
// it is looked at, its rate is 2,800/s or not known, never 0 nor that of a whole batch in
// one look, and what it promises is true.
func TestRatesOfBatchesDoNotJump(t *testing.T) {
	const rate, batch, inflow, backlog = 2_800.0, 10_000, 400.0, 500_000
	seconds := batch / rate
	every := time.Duration(seconds * float64(time.Second))
	look := func(after time.Duration) *Report {
		head := int64(backlog + inflow*after.Seconds())
		place := int64(after/every) * batch
		when := now.Add(after)
		waiting := after + time.Minute // the backlog is older than the first look
		p := progress(at(head), when, checkpoint{position: at(0), state: "catching_up", updatedAt: now.Add(after / every * every), workedFor: true, waiting: &waiting}, place, "")
		return &Report{At: when, Log: Log{Position: at(head)}, Projectors: []Projector{{Name: "main", Kind: "hot", Progress: p}}}
	}
	for _, pause := range []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 3 * time.Second, 8 * time.Second} {
		known := 0
		last := look(0)
		for after := pause; after < 60*time.Second; after += pause {
			r := look(after)
			r.Since(last)
			p := r.Projectors[0]
			last = r
			if p.EventsPerSecond == nil {
				if p.LeftSeconds != nil {
					t.Errorf("every %v, after %v: no rate, and %.1f s left", pause, after, *p.LeftSeconds)
				}
				continue
			}
			known++
			if math.Abs(*p.EventsPerSecond-rate) > 1 {
				t.Errorf("every %v, after %v: %.0f events/s, want %.0f", pause, after, *p.EventsPerSecond, rate)
			}
			want := float64(p.LagEvents) / (rate - inflow)
			if p.LeftSeconds == nil || math.Abs(*p.LeftSeconds-want) > 2 {
				t.Errorf("every %v, after %v: %.1f s left, want %.1f", pause, after, valueOr(p.LeftSeconds, -1), want)
			}
		}
		if known == 0 {
			t.Errorf("every %v: no rate was ever known", pause)
		}
	}
}

// What stands still has no rate for a while and then the rate 0, and never a time left;
// what was idle began when its first event came.
func TestRatesOfWhatStandsStillOrWasIdle(t *testing.T) {
	one := func(when time.Time, moved time.Time, place int64, waiting *time.Duration) *Report {
		p := progress(at(1000), when, checkpoint{position: at(0), state: "live", updatedAt: moved, workedFor: true, waiting: waiting}, place, "")
		return &Report{At: when, Log: Log{Position: at(1000)}, Projectors: []Projector{{Name: "main", Kind: "hot", Progress: p}}}
	}
	for name, c := range map[string]struct {
		before, after *Report
		rate, left    float64 // -1 for not known
	}{
		"it stands still for a moment": {one(now, now, 300, ago(time.Second)), one(now.Add(time.Second), now, 300, ago(2*time.Second)), -1, -1},
		"it stands still":              {one(now, now, 300, ago(time.Second)), one(now.Add(time.Minute), now, 300, ago(time.Minute)), 0, -1},
		// Idle for an hour; 500 events came 2 s before the first look, and were folded 8 s after it.
		"it was idle":     {one(now, now.Add(-time.Hour), 0, ago(2*time.Second)), one(now.Add(10*time.Second), now.Add(8*time.Second), 500, ago(time.Second)), 50, 10},
		"nothing to fold": {one(now, now, 1000, nil), one(now.Add(time.Minute), now, 1000, nil), 0, 0},
	} {
		c.after.Since(c.before)
		p := c.after.Projectors[0]
		if rate, left := valueOr(p.EventsPerSecond, -1), valueOr(p.LeftSeconds, -1); rate != c.rate || left != c.left {
			t.Errorf("%s: %v events/s and %v s left, want %v and %v", name, rate, left, c.rate, c.left)
		}
	}
}
