package replay_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/progress"
)

// largeStory is a log that takes many times 4 MiB in memory: many rows with long texts,
// and few rows that very many events touch.
func largeStory(n int) []streamed {
	r := rand.New(rand.NewPCG(8, 8))
	events := story(r, n, n/4)
	for i := range events {
		if e, ok := events[i].event.(cargoNoted); ok && i%3 > 0 {
			events[i].event = shipRenamed{"hot", e.Note}
			events[i].stream = "hot"
		}
		if e, ok := events[i].event.(cargoLoaded); ok {
			e.Note += strings.Repeat("n", 600)
			events[i].event = e
		}
	}
	return events
}

// With 4 MiB for a log that takes many times that, what does not fit goes to disk, the
// memory stays near the budget, and the rows are the same.
func TestABudgetOfFourMiBIsKept(t *testing.T) {
	f := newFixture(t)
	set := newSet(t)
	f.append(largeStory(60_000)...)
	const budget = 4 << 20
	before, most, calls := live(), int64(0), 0
	counted := map[string]int{}
	sink := func(_ context.Context, s replay.Slice) error {
		counted[s.View.Name] += len(s.Rows)
		return nil
	}
	result, err := replay.Run(t.Context(), replay.Config{
		Log: f.log, Set: set, Until: f.end, Budget: budget, Slices: replay.Slices(40<<20, budget), Sources: onDisk{},
		Progress: func(progress.Fold) {
			if calls++; calls%20 == 0 {
				most = max(most, live()-before)
			}
		},
	}, sink)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v, rows %v, at most %.1f MiB held in %d looks", result, counted, float64(most)/(1<<20), calls/20)
	if most > 2*budget || result.Spilled < 2*budget {
		t.Errorf("%d bytes were held, %d spilled, with a budget of %d", most, result.Spilled, budget)
	}

	// The same rows as in memory.
	f.events()
	c := newCollector(t, set)
	if _, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end, Budget: budget, Slices: 64, Sources: c}, c.sink); err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(f.memory(set, nil), c.got) {
		t.Error("the rows are not those of a fold in memory")
	}
}

// live is how much is held in memory.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// liveAtMost is how much is held when a replay that works ahead has as much waiting as may.
func liveAtMost() (most int64) {
	for held := live(); held > most; held = live() {
		most = held
	}
	return most
}

// Finished slices that wait for the sink count with their joined columns, which may be
// many times what their own events brought.
func TestJoinedColumnsAreCountedWhileTheyWait(t *testing.T) {
	f := newFixture(t)
	events := []streamed{{"p", portOpened{"p", strings.Repeat("n", 32<<10)}}}
	for i := range 2000 {
		id := "s" + strconv.Itoa(i)
		events = append(events, streamed{id, shipBuilt{id, id, "p", nil}})
	}
	f.append(events...)
	const budget = 8 << 20
	before, most, size := live(), int64(0), 0
	_, err := replay.Run(t.Context(), replay.Config{
		Log: f.log, Set: newSet(t), Until: f.end, Budget: budget, Slices: 64, Views: []string{"ship"},
	}, func(_ context.Context, s replay.Slice) error {
		for _, row := range s.Rows {
			size += len(row.Image.Bytes())
		}
		most = max(most, liveAtMost()-before)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MiB of rows, at most %.1f MiB held", float64(size)/(1<<20), float64(most)/(1<<20))
	if most > 2*budget || size < 6*budget {
		t.Errorf("%d bytes were held of %d, with a budget of %d", most, size, budget)
	}
}

// Slices of a few small rows take little while they wait for the sink, however many.
func TestManySmallSlicesTakeLittle(t *testing.T) {
	f := newFixture(t)
	events := make([]streamed, 6000)
	for i := range events {
		id := "p" + strconv.Itoa(i)
		events[i] = streamed{id, portOpened{id, "name"}}
	}
	f.append(events...)
	const budget = 4 << 20
	before, most, looks := live(), int64(0), 0
	_, err := replay.Run(t.Context(), replay.Config{
		Log: f.log, Set: newSet(t), Until: f.end, Budget: budget, Slices: 4096, Views: []string{"port"},
	}, func(context.Context, replay.Slice) error {
		if looks++; looks > 3 {
			return nil
		}
		most = max(most, liveAtMost()-before)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if most > 2*budget {
		t.Errorf("%d bytes were held, with a budget of %d", most, budget)
	}
}

// To find the event that is to blame for a row, the row is encoded after each of its
// events: none of these images stays.
func TestFindingWhoIsToBlameKeepsNoImages(t *testing.T) {
	f := newFixture(t)
	events := []streamed{{"s", shipBuilt{"s", "ship", "p", nil}}}
	for range 5000 {
		events = append(events, streamed{"s", shipRenamed{"s", strings.Repeat("n", 2000)}})
	}
	f.append(append(events, streamed{"s", shipRenamed{"s", badJoin}})...)
	before, most, blamed := live(), int64(0), 0
	_, err := replay.Run(t.Context(), replay.Config{
		Log: f.log, Set: newSet(t), Until: f.end, Budget: 1 << 20, Slices: 1, Views: []string{"ship"},
		Faults: func(replay.Waiting) error { blamed++; return nil },
	}, func(context.Context, replay.Slice) error { most = max(most, live()-before); return nil })
	if err != nil || blamed != 1 {
		t.Fatalf("%d touches wait: %v", blamed, err)
	}
	if most > 4<<20 {
		t.Errorf("%d bytes were held of one row", most)
	}
}

// What waits is kept until a slice is written: it keeps its row and its stream in mind,
// and not the data of its event.
func TestWhatWaitsKeepsNoEvent(t *testing.T) {
	f := newFixture(t)
	const notes = 1000
	long := strings.Repeat("n", 20<<10)
	events := []streamed{
		{"c", cargoNoted{"c", badNote}},           // its row waits
		{"broken", cargoLoaded{"", badKey, long}}, // its stream waits
	}
	for i := range notes {
		events = append(events, streamed{"c", cargoNoted{"c", long}}, streamed{"broken", cargoNoted{strconv.Itoa(i), long}})
	}
	f.append(events...)
	for _, budget := range []int64{1 << 20, 256 << 20} { // on disk, and in memory
		var waiting []replay.Waiting
		before := live()
		_, err := replay.Run(t.Context(), replay.Config{
			Log: f.log, Set: newSet(t), Until: f.end, Budget: budget,
			Faults: func(w replay.Waiting) error { waiting = append(waiting, w); return nil },
		}, func(context.Context, replay.Slice) error { return nil })
		held := live() - before
		if err != nil || len(waiting) != 2+2*notes {
			t.Fatalf("%d touches wait: %v", len(waiting), err)
		}
		if most := int64(len(waiting)) << 10; held > most {
			t.Errorf("with a budget of %d, %d touches that wait keep %d bytes", budget, len(waiting), held)
		}
	}
}

// onDisk are Sources that know no row: what they would hold is not counted.
type onDisk struct{}

func (onDisk) Load(context.Context, *projections.Model, []string) (map[string]any, error) {
	return nil, nil
}

// A replay that is cancelled or whose sink fails ends soon, and leaves no file.
func TestEndingEarlyLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	f.append(story(rand.New(rand.NewPCG(9, 9)), 8000, 2000)...)
	errSink := errors.New("the sink is full")
	for _, phase := range []string{progress.Reading, progress.Rows} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		c := newCollector(t, set)
		spilled := int64(0)
		_, err := replay.Run(ctx, replay.Config{
			Log: f.log, Set: set, Until: f.end, Budget: 1 << 20, Slices: 32, Dir: dir,
			Progress: func(p progress.Fold) {
				if spilled = p.Spilled; p.Phase == phase && p.Spilled > 0 {
					mustBeEmpty(t, dir) // not even a killed process leaves anything
					cancel()
				}
			},
		}, c.sink)
		cancel()
		if !errors.Is(err, context.Canceled) || spilled == 0 {
			t.Errorf("cancelled while %s, %d bytes on disk: %v", phase, spilled, err)
		}
		mustBeEmpty(t, dir)
	}
	dir := t.TempDir()
	_, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end, Budget: 1 << 20, Dir: dir},
		func(context.Context, replay.Slice) error { return errSink })
	if !errors.Is(err, errSink) {
		t.Errorf("the sink failed, and the replay answered %v", err)
	}
	mustBeEmpty(t, dir)
}

// A build that goes on asks for the slices that it lacks, and joins with the rows of
// those that are done.
func TestDoneSlicesAreNotFoldedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	f.append(story(rand.New(rand.NewPCG(6, 6)), 4000, 100)...)
	f.events()
	want := f.memory(set, nil)
	errCut := errors.New("cut off")
	c := newCollector(t, set)
	done := map[string]map[int]bool{"port": {}, "ship": {}, "cargo": {}}
	left := 20
	cfg := replay.Config{Log: f.log, Set: set, Until: f.end, Budget: 1 << 20, Slices: 8, Sources: c}
	sink := func(ctx context.Context, s replay.Slice) error {
		if left == 0 {
			return errCut
		}
		left--
		for _, row := range s.Rows { // a table keeps them all
			if row.State == projections.Live {
				c.keep(s.View, row)
			}
		}
		done[s.View.Name][s.Number] = true
		return c.sink(ctx, s)
	}
	if _, err := replay.Run(t.Context(), cfg, sink); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	left = 1000
	asked := c.asked
	cfg.Done = func(view *projections.Model, slice int) bool { return done[view.Name][slice] }
	if _, err := replay.Run(t.Context(), cfg, sink); err != nil {
		t.Fatal(err) // a slice that came twice is refused by the collector
	}
	if diff := cmp.Diff(want, c.got); diff != "" {
		t.Errorf("the build that went on has other rows:\n%.2000s", diff)
	}
	if c.asked == asked {
		t.Error("the sources that were done were not asked for")
	}
}

// The rate bounds the reading.
func TestTheRateIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.append(story(rand.New(rand.NewPCG(6, 7)), 1000, 100)...)
	set := newSet(t)
	const perSecond, atOnce = 2000, 100
	started := time.Now()
	result, err := replay.Run(t.Context(), replay.Config{
		Log: f.log, Set: set, Until: f.end, PageEvents: 50, Rate: rate.NewLimiter(perSecond, atOnce),
	}, newCollector(t, set).sink)
	if err != nil {
		t.Fatal(err)
	}
	took, least := time.Since(started), time.Duration(result.Events-atOnce)*time.Second/perSecond
	if least <= 0 || took < least {
		t.Errorf("%d events were read in %s: at this rate they take %s", result.Events, took, least)
	}
}

// Rows of sources are asked for when the sink has stored all of them, and not before.
func TestSourcesAreStoredBeforeTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := newSet(t)
	f.append(story(rand.New(rand.NewPCG(16, 6)), 4000, 500)...)
	c := newCollector(t, set)
	asking := &asking{collector: c, asked: make(chan struct{}, 1)}
	_, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end, Budget: 1 << 20, Slices: 4, Sources: asking},
		func(ctx context.Context, s replay.Slice) error {
			if s.Number == s.Of-1 && s.View.Name != "cargo" {
				select {
				case <-asking.asked: // for rows of this view itself
				default:
				}
				select {
				case <-asking.asked:
					t.Errorf("rows were asked for while the last slice of %s was stored", s.View.Name)
				case <-time.After(100 * time.Millisecond): // time enough to ask too early
				}
			}
			return c.sink(ctx, s)
		})
	if err != nil || c.asked == 0 {
		t.Errorf("%d keys were asked for: %v", c.asked, err)
	}
}

// asking tells that it was asked.
type asking struct {
	*collector
	asked chan struct{}
}

func (a *asking) Load(ctx context.Context, source *projections.Model, keys []string) (map[string]any, error) {
	select {
	case a.asked <- struct{}{}:
	default:
	}
	return a.collector.Load(ctx, source, keys)
}
