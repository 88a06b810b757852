package reading

import (
	"testing"

	"github.com/readside/readside/eventlog"
)

// A stretch without events that a view handles, or with one small one, does not let the
// next page hold hundreds of large ones.
func TestFewEventsDoNotRaiseThePages(t *testing.T) {
	t.Parallel()
	page := func(events, bytes int) []eventlog.Event {
		out := make([]eventlog.Event, events)
		for i := range out {
			out[i].Data = make([]byte, bytes)
		}
		return out
	}
	s := &stretches{cfg: Config{PageBytes: 4 << 20 / (8 * PagesAtOnce)}, events: pageEventsFirst}
	s.measure(page(20, 100<<10), 20)
	large := s.most()
	for _, few := range [][]eventlog.Event{nil, page(1, 10), page(3, 10)} {
		if s.measure(few, 100); s.most() > large {
			t.Errorf("after %d events, a page may have %d instead of %d", len(few), s.most(), large)
		}
	}
	if s.places <= 100 {
		t.Errorf("after few events in 100 places, a stretch has %d", s.places)
	}
	if s.measure(page(large, 10), 100); s.most() <= large {
		t.Errorf("after a page of small events, one may have %d", s.most())
	}
}

// The server compares types only where that spares a tenth of the events; a few places say
// nothing.
func TestTypesAreComparedWhereItPays(t *testing.T) {
	t.Parallel()
	s := &stretches{cfg: Config{Types: []string{"test.ShipBuilt"}}}
	for _, page := range []struct {
		wanted int
		places int64
		every  bool
	}{{89, 100, false}, {90, 100, true}, {0, fewEvents - 1, true}, {900, 1001, false}, {fewEvents, fewEvents, true}} {
		s.chooseTypes(page.wanted, page.places)
		if every := s.typesToRead() == nil; every != page.every {
			t.Errorf("after %d wanted events in %d places, all types are read: %v", page.wanted, page.places, every)
		}
	}
}
