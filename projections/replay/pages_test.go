package replay

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
	s := &stretches{replay: &replay{cfg: Config{Budget: 4 << 20}}, events: pageEventsFirst}
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
