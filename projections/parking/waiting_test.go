package parking_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/parking"
)

// The tests' own domain: jars, filled one or several at a time.
type filled struct{ Jars []string }

func (filled) EventType() (string, int) { return "test.Filled", 1 }

type jar struct {
	ID string `view:"id,key"`
}

func jars(t *testing.T) *projections.Set {
	t.Helper()
	set, err := projections.NewSet(&projections.View[jar]{Name: "jar", Version: 1, Handlers: []projections.Handler[jar]{
		projections.CreateEach(func(e filled, _ projections.Meta) []string { return e.Jars }, func(*jar, string, filled, projections.Meta) error { return nil }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

var start = eventlog.NewPosition(uuid.MustParse("5e5e0000-0000-4000-8000-000000000001"), 1, 0)

// stored is an event at a place; of a stream that begins with ? the rows cannot be read.
func stored(place int64, stream string, jars ...string) eventlog.Event {
	data := `{"Jars":["` + strings.Join(jars, `","`) + `"]}`
	if strings.HasPrefix(stream, "?") {
		data = `{"Jars":7}`
	}
	return eventlog.Event{Position: start.At(place), Type: "test.Filled", SchemaVersion: 1, Stream: strings.TrimPrefix(stream, "?"), StreamVersion: place, Data: []byte(data)}
}

func batchOf(set *projections.Set, events ...eventlog.Event) parking.Batch {
	var b parking.Batch
	b.Events, b.Touches, b.Broken = set.Prepare(events)
	return b
}

// text is what an attempt folds and holds: "fold 3:a; hold 5:b parked".
func text(b parking.Batch, a *parking.Attempt) string {
	var parts []string
	for _, t := range a.Touches {
		parts = append(parts, fmt.Sprintf("fold %d:%s", b.Events[t.Event].Meta.Position.Place(), t.Key))
	}
	for _, h := range a.Held {
		state := parking.Queued
		if h.Fault != nil {
			state = parking.Parked
		}
		parts = append(parts, fmt.Sprintf("hold %d:%s %s", h.Position.Place(), h.Key, state))
	}
	return strings.Join(parts, "; ")
}

func entry(place int64, key, stream, state string) parking.Entry {
	return parking.Entry{Event: parking.Event{Key: key, Place: place}, Stream: stream, State: state}
}

// What waits, and for what, is decided batch by batch; a batch that was held back holds the
// next ones.
func TestWhatWaits(t *testing.T) {
	t.Parallel()
	set := jars(t)
	fault := func(place int64, key string) map[parking.Row]*projections.FoldError {
		return map[parking.Row]*projections.FoldError{{Key: key}: {View: "jar", Key: key, Position: start.At(place), Err: errors.New("no lid")}}
	}
	for name, c := range map[string]struct {
		entries []parking.Entry
		failing map[parking.Row]*projections.FoldError
		events  []eventlog.Event
		want    string
	}{
		"nothing waits":                 {nil, nil, []eventlog.Event{stored(1, "s", "a", "b")}, "fold 1:a; fold 1:b"},
		"behind a parked event":         {[]parking.Entry{entry(1, "a", "s", parking.Parked)}, nil, []eventlog.Event{stored(3, "s", "a", "b"), stored(4, "t", "b")}, "fold 3:b; fold 4:b; hold 3:a queued"},
		"a discarded event":             {[]parking.Entry{entry(3, "a", "s", parking.Discarded)}, nil, []eventlog.Event{stored(3, "s", "a", "b"), stored(4, "s", "a")}, "fold 3:b; fold 4:a"},
		"a discarded event of no row":   {[]parking.Entry{entry(3, "", "s", parking.Discarded)}, nil, []eventlog.Event{stored(3, "s", "a"), stored(4, "s", "a")}, "fold 4:a"},
		"what failed, and behind it":    {nil, fault(3, "a"), []eventlog.Event{stored(2, "s", "a"), stored(3, "s", "a", "b"), stored(4, "t", "a")}, "fold 2:a; fold 3:b; hold 3:a parked; hold 4:a queued"},
		"a stream whose rows are known": {nil, nil, []eventlog.Event{stored(1, "s", "a"), stored(2, "?s"), stored(3, "s", "a"), stored(4, "t", "a"), stored(5, "t", "b")}, "fold 1:a; fold 5:b; hold 2: parked; hold 3:a queued; hold 4:a queued"},
		"a stream that waits already":   {[]parking.Entry{entry(1, "", "s", parking.Parked)}, nil, []eventlog.Event{stored(2, "s", "a"), stored(3, "t", "a"), stored(4, "t", "b")}, "fold 4:b; hold 2:a queued; hold 3:a queued"},
		"a join that failed":            {nil, fault(0, "a"), []eventlog.Event{stored(2, "s", "a"), stored(3, "s", "b")}, "fold 2:a; fold 3:b; hold 9:a parked"},
	} {
		if name == "a join that failed" {
			c.failing[parking.Row{Key: "a"}].Position = eventlog.Position{}
		}
		w := parking.New()
		for _, e := range c.entries {
			w.Add(e)
		}
		b := batchOf(set, c.events...)
		a := w.Attempt(set, b, start.At(9), c.failing)
		if got := text(b, a); got != c.want {
			t.Errorf("%s: %s\nwant %s", name, got, c.want)
		}
	}
}

// A committed attempt holds the batches behind it; one that is not committed holds nothing.
func TestAnAttemptCountsWhenItIsCommitted(t *testing.T) {
	t.Parallel()
	set := jars(t)
	w := parking.New()
	first := batchOf(set, stored(1, "?s"))
	a := w.Attempt(set, first, start.At(1), nil)
	next := batchOf(set, stored(2, "s", "a"))
	if got := text(next, w.Attempt(set, next, start.At(2), nil)); got != "fold 2:a" || !w.Empty() {
		t.Errorf("an attempt that was not committed holds: %s", got)
	}
	a.Commit()
	if got := text(next, w.Attempt(set, next, start.At(2), nil)); got != "hold 2:a queued" {
		t.Errorf("behind a committed attempt: %s", got)
	}
	if !w.Holds(parking.Event{Place: 1}) || !w.Holds(parking.Event{Key: "a", Place: 1}) || w.Holds(parking.Event{Key: "a", Place: 2}) {
		t.Error("the event that waits is not held, or another is")
	}
	w.Free(entry(1, "", "s", parking.Parked))
	if got := text(next, w.Attempt(set, next, start.At(2), nil)); got != "fold 2:a" || !w.Empty() {
		t.Errorf("after a retry: %s", got)
	}
}

// Parts of one batch hold each other, and what was written down is not written again.
func TestPartsOfABatch(t *testing.T) {
	t.Parallel()
	set := jars(t)
	a := parking.New().Begin(nil)
	one, two := batchOf(set, stored(1, "?s")), batchOf(set, stored(2, "s", "a"), stored(3, "t", "b"))
	a.Take(set, one)
	if fresh := a.Fresh(); len(fresh) != 1 || a.Ended() {
		t.Fatalf("the first part holds %v", fresh)
	}
	a.Written()
	a.Take(set, two)
	a.End(start.At(3))
	if got := text(two, a); got != "fold 3:b; hold 1: parked; hold 2:a queued" || len(a.Fresh()) != 1 || !a.Ended() {
		t.Errorf("the second part: %s, fresh %v", got, a.Fresh())
	}
	if !a.RowWaits(parking.Row{Key: "a"}) || a.RowWaits(parking.Row{Key: "b"}) {
		t.Error("the wrong rows wait")
	}
}

// More parked events than are allowed are a fault of the one too many; so are too many that
// wait behind them.
func TestBounds(t *testing.T) {
	t.Parallel()
	w := parking.New()
	w.Add(entry(1, "a", "s", parking.Parked))
	held := func(n int, fault bool) []parking.Held {
		all := make([]parking.Held, n)
		for i := range all {
			all[i] = parking.Held{ViewName: "jar", Key: fmt.Sprint(i), Position: start.At(int64(i + 2))}
			if fault {
				all[i].Fault = &projections.FoldError{View: "jar", Key: all[i].Key, Err: errors.New("no lid")}
			}
		}
		return all
	}
	for _, c := range []struct {
		held []parking.Held
		most int
		want string
	}{
		{held(2, true), 3, ""}, {held(3, true), 3, "no lid; it would be number 4 of the parked events, and 3 are allowed"}, {held(0, true), 0, ""},
		{held(parking.QueuedMax, false), 1, ""}, {held(parking.QueuedMax+1, false), 1, "100001 events wait behind parked ones, and 100000 are allowed"},
	} {
		fault := w.Over(c.held, c.most)
		if (fault == nil) != (c.want == "") || fault != nil && fault.Err.Error() != c.want {
			t.Errorf("%d held, %d allowed: %v", len(c.held), c.most, fault)
		}
	}
	for i, h := range held(3, true) {
		fault := w.Hold(h, 3)
		if (fault != nil) != (i == 2) || fault != nil && !strings.Contains(fault.Err.Error(), "it is number 4 of the parked events") {
			t.Errorf("event %d of a first build: %v", i, fault)
		}
	}
}
