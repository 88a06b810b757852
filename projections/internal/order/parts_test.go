package order

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/fold"
)

type added struct{ ID string }

func (added) EventType() (string, int) { return "test.Added", 1 }

type box struct {
	ID string `view:"id,key"`
	N  int64  `view:"n"`
}

// heavyLog has at each place an event of 1 MiB that touches the row which its stream names.
type heavyLog struct {
	fold.Log
	streams map[int64]string
	// most is how many were read at once.
	most int
}

func (l *heavyLog) At(_ context.Context, places []int64) (out []eventlog.Event, err error) {
	l.most = max(l.most, len(places))
	for _, place := range places {
		out = append(out, eventlog.Event{
			Position: start.At(place), Stream: l.streams[place], StreamVersion: 1, Type: "test.Added", SchemaVersion: 1,
			Data: fmt.Appendf(nil, `{"ID": %q, "Pad": %q}`, l.streams[place], strings.Repeat("p", 1<<20)),
		})
	}
	return out, nil
}

var start = eventlog.NewPosition(uuid.MustParse("00000000-0000-4000-8000-000000000001"), 1, 0)

// Whatever waits, a part has at most what two parts may have, and what is read at once;
// what hangs together is in one part unless it is larger than that.
func TestPartsAreBounded(t *testing.T) {
	t.Parallel()
	set, err := projections.NewSet(&projections.View[box]{Name: "box", Version: 1, Handlers: []projections.Handler[box]{
		projections.Create(func(e added) string { return e.ID }, func(r *box, _ added, _ projections.Meta) error { r.N++; return nil }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	log := &heavyLog{streams: map[int64]string{}}
	var entries []control.ParkedEvent
	for i := range 200 { // 100 events of one row, and 100 of ten others
		key := "large"
		if i%2 == 0 {
			key = fmt.Sprint("row ", i%20)
		}
		at := start.At(int64(i + 1))
		log.streams[at.Place()] = key
		entries = append(entries, control.ParkedEvent{Key: key, Stream: key, Position: at})
	}
	o := &Order{Set: set, Log: log, entries: entries}
	folded, in, parts := 0, map[string]map[int]bool{}, 0
	err = o.parts(t.Context(), start, func(b *batch.Batch, _ bool) error {
		parts++
		bytes, before := 0, int64(0)
		for _, e := range b.Events {
			bytes += 1 << 20
			if e.Meta.Position.Place() <= before {
				t.Errorf("part %d is not in the order of the log", parts)
			}
			before = e.Meta.Position.Place()
		}
		if most := 2*partBytes + readAtOnce<<20; bytes > most {
			t.Errorf("part %d has %d MiB of events, over %d", parts, bytes>>20, most>>20)
		}
		for _, touch := range b.Touches {
			if in[touch.Key] == nil {
				in[touch.Key] = map[int]bool{}
			}
			in[touch.Key][parts] = true
		}
		folded += len(b.Touches)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if folded != len(entries) || log.most > readAtOnce || parts < 4 {
		t.Errorf("%d of %d events were folded, in %d parts, %d read at once", folded, len(entries), parts, log.most)
	}
	for key, where := range in {
		if key != "large" && len(where) > 1 {
			t.Errorf("the events of %s are in %d parts", key, len(where))
		}
	}
}

// What hangs together is one group: by a row, by a stream that waits as a whole, and by
// both.
func TestGroups(t *testing.T) {
	t.Parallel()
	entries := []control.ParkedEvent{
		{Key: "a", Stream: "1"}, {Key: "b", Stream: "2"}, {Key: "a", Stream: "3"}, // a, over two streams
		{Stream: "4"}, {Key: "c", Stream: "4"}, {Key: "c", Stream: "5"}, // c, with stream 4 as a whole
		{Key: "d", Stream: "5"}, // stream 5 waits row by row
	}
	var got []string
	for _, g := range groups(entries) {
		text := ""
		for _, e := range g {
			text += e.Key + e.Stream + " "
		}
		got = append(got, strings.TrimSpace(text))
	}
	if want := "a1 a3|b2|4 c4 c5|d5"; strings.Join(got, "|") != want {
		t.Errorf("groups: %s, want %s", strings.Join(got, "|"), want)
	}
}
