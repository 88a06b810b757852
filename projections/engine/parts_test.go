package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
)

// heavyLog has at each place an event of 1 MiB that touches the row which its stream names.
type heavyLog struct {
	simLog
	streams map[int64]string
	// most is how many were read at once.
	most int
}

func (l *heavyLog) At(_ context.Context, places []int64) (out []eventlog.Event, err error) {
	l.most = max(l.most, len(places))
	for _, place := range places {
		e := simEvent{stream: l.streams[place], value: simAdded{IDs: []string{l.streams[place]}}}.stored(place)
		e.Data = fmt.Appendf(nil, `{"IDs": [%q], "N": 1, "Pad": %q}`, e.Stream, strings.Repeat("p", 1<<20))
		out = append(out, e)
	}
	return out, nil
}

// Whatever waits, a part has at most what two parts may have, and what is read at once;
// what hangs together is in one part unless it is larger than that.
func TestPartsAreBounded(t *testing.T) {
	t.Parallel()
	set, err := simFlat()
	if err != nil {
		t.Fatal(err)
	}
	log := &heavyLog{streams: map[int64]string{}}
	var entries []Parked
	for i := range 200 { // 100 events of one row, and 100 of ten others
		key := "large"
		if i%2 == 0 {
			key = fmt.Sprint("row ", i%20)
		}
		at := simStart.At(int64(i + 1))
		log.streams[at.Place()] = key
		entries = append(entries, Parked{Key: key, Stream: key, Position: at})
	}
	m := &mending{Projector: &Projector{cfg: Config{Set: set.set}}, view: viewIndex(set.set, "order"), entries: entries}
	w := &worker{turn: &turn{log: log, at: simStart}}
	folded, in, parts := 0, map[string]map[int]bool{}, 0
	err = m.parts(t.Context(), w, func(b *batch, last bool) error {
		parts++
		bytes, before := 0, int64(0)
		for _, e := range b.events {
			bytes += 1 << 20
			if e.Meta.Position.Place() <= before {
				t.Errorf("part %d is not in the order of the log", parts)
			}
			before = e.Meta.Position.Place()
		}
		if most := 2*partBytes + readAtOnce<<20; bytes > most {
			t.Errorf("part %d has %d MiB of events, over %d", parts, bytes>>20, most>>20)
		}
		for _, touch := range b.touches {
			if in[touch.Key] == nil {
				in[touch.Key] = map[int]bool{}
			}
			in[touch.Key][parts] = true
		}
		folded += len(b.touches)
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
	entries := []Parked{
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
