package cold

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
)

// factsWatched is a running projector whose facts are compared all the time.
type factsWatched struct {
	b        *bench
	mu       sync.Mutex
	compared []Compared
	logged   bytes.Buffer
	stop     func()
}

func (b *bench) watched(change ...func(*Config)) *factsWatched {
	b.t.Helper()
	w := &factsWatched{b: b}
	p := b.open(append(change, func(c *Config) {
		c.WatchRate = 1_000_000
		c.Logger = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError}))
		c.Observer.Compared = func(x Compared) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.compared = append(w.compared, x)
		}
	})...)
	p.watchRest = 0
	ctx, cancel := context.WithCancel(bounded(b.t))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	w.stop = func() {
		b.t.Helper()
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
	return w
}

// Write takes the projector's errors.
func (w *factsWatched) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logged.Write(line)
}

// comesTo waits for the checkpoint: a batch of it, or tables that were built beside it, may
// bring it there.
func (w *factsWatched) comesTo(to eventlog.Position) {
	w.b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx := bounded(w.b.t); ; {
		var there bool
		err := w.b.db.Pool.QueryRow(ctx, `select coalesce(max(place), 0) >= $1 from readside.cold_checkpoint where rebuilds is null`, to.Place()).Scan(&there)
		if err != nil {
			w.b.t.Fatalf("nobody came to place %d in %s: %v", to.Place(), testBound, err)
		}
		if there {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// until waits until a comparison that ends from now on is as wanted, and returns it with how
// many there were.
func (w *factsWatched) until(what, fact string, wanted func(Compared) bool) (found Compared, n int) {
	w.b.t.Helper()
	w.mu.Lock()
	from := len(w.compared)
	w.mu.Unlock()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx := bounded(w.b.t); ; {
		w.mu.Lock()
		all := w.compared[from:]
		w.mu.Unlock()
		n = 0
		for _, c := range all {
			if c.Fact != fact {
				continue
			}
			if n++; wanted(c) {
				return c, n
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.b.t.Fatalf("waited %s in vain until %s: %s", testBound, what, w.logged.String())
		}
	}
}

// Facts that somebody damaged are found in the next turn, named once, and recorded until
// they are built anew.
func TestTheWatchFindsADamagedFact(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	last := b.append(measurements(40)...)
	w := b.watched()
	defer w.stop()
	w.comesTo(last)
	equal := func(c Compared) bool { return c.State.Difference == nil && c.State.EqualPlace >= last.Place() }
	if c, _ := w.until("readings are equal", "readings", equal); len(c.Found) > 0 || c.Partitions != 2 || c.State.EqualAt.IsZero() {
		t.Errorf("of what nobody damaged: %+v", c)
	}
	b.exec("ALTER TABLE readings_v1_g1 UPDATE ratio = 0.25 WHERE _position = 3 AND _row = 1 SETTINGS mutations_sync = 2")
	c, n := w.until("the damage is found", "readings", func(c Compared) bool { return c.State.Difference != nil })
	if d := c.State.Difference; d.Fact != "readings" || d.Kind != "other values" || d.Place != 3 || d.Row != 1 || d.Partition != 202601 {
		t.Errorf("found %+v", d)
	}
	if n > 2 { // the turn under way, and the next
		t.Errorf("it took %d turns", n)
	}
	w.until("it is found again", "readings", func(c Compared) bool { return len(c.Found) > 0 })
	w.until("the other fact is equal", "totals", equal)
	if got := strings.Count(w.logged.String(), "NOT what the log says"); got != 1 {
		t.Errorf("it was logged %d times", got)
	}
	recorded := func(condition string) (n int) {
		if err := b.db.Pool.QueryRow(bounded(t), `select count(*) from readside.verified where kind = 'fact' and `+condition).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if recorded(`name = 'readings' and difference ->> 'place' = '3' and found_at is not null`) != 1 || recorded(`name = 'totals' and difference is null`) != 1 {
		t.Error("it is not recorded")
	}
	if err := b.open().Rebuild(bounded(t)); err != nil {
		t.Fatal(err)
	}
	w.until("the tables that were built anew are recorded as equal", "totals", func(Compared) bool {
		return recorded(`difference is null and generation = 2`) == 2
	})
}

// Under load, with events that park, are tried again and discarded, with rebuilds and
// takeovers, nothing is found that is not there.
func TestTheWatchOfFactsDoesNotCryWolf(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 78))
			b := newBench(t)
			for _, change := range []func(*Config){func(*Config) {}, func(*Config) {}, mended(t)} {
				w := b.watched(change)
				for range 3 {
					events := measurements(20)
					events[r.IntN(20)] = faulty([]string{"error", "panic"}[r.IntN(2)])
					w.comesTo(b.append(events...))
					b.operate(r)
				}
				last := b.append(measurements(1)...)
				w.until("all was compared", "readings", func(c Compared) bool { return c.State.EqualPlace >= last.Place() })
				w.stop()
				for _, c := range w.compared {
					if len(c.Found) > 0 {
						t.Fatalf("of %s the watch found %+v", c.Fact, c.Found)
					}
				}
				if text := w.logged.String(); strings.Contains(text, "NOT what the log says") {
					t.Fatal(text)
				}
			}
		})
	}
}

// operate does one of an operator's works beside the load.
func (b *bench) operate(r *rand.Rand) {
	b.t.Helper()
	var err error
	entries, listErr := b.desk().Parked(bounded(b.t), "")
	switch k := r.IntN(4); {
	case listErr != nil:
		err = listErr
	case k == 0:
		err = b.open().Rebuild(bounded(b.t))
	case k == 1 && len(entries) > 0:
		err = b.desk().Discard(bounded(b.t), Waiting{Fact: entries[0].Fact, Place: entries[0].Position.Place()})
	case len(entries) > 0:
		_, err = b.desk().Retry(bounded(b.t), Waiting{Fact: "readings"})
	}
	if err != nil && !strings.Contains(err.Error(), "again") && !strings.Contains(err.Error(), "nothing is parked") {
		b.t.Fatal(err)
	}
}

// Where it is off, what was found before is forgotten.
func TestTheWatchOfFactsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.watched()
	w.comesTo(b.append(measurements(4)...))
	w.until("facts were compared", "totals", func(Compared) bool { return true })
	w.stop()
	b.runTo(b.append(measurements(4)...))
	var records int
	if err := b.db.Pool.QueryRow(bounded(t), `select count(*) from readside.verified`).Scan(&records); err != nil || records != 0 {
		t.Errorf("%d records are left, %v", records, err)
	}
}
