package projections

import (
	"slices"

	"github.com/readside/readside/eventlog"
)

// Broken is an event of which it cannot be said whose rows it touches: it does not
// decode, or a view's key function fails. Nothing of it is folded into Views. Where
// other handlers of those views name rows, Prepare returns these touches: the rows wait
// behind the event, and the fold leaves them out.
type Broken struct {
	Event *eventlog.Event
	// Views are the indices of the views that handle it, each once.
	Views []int
	// Fault is a *FoldError without a key.
	Fault *FoldError
}

// Prepare decodes those of the stored events that views handle, and reads which rows
// they touch, both in the order of the log. What cannot be decoded, or whose keys
// cannot be read, is answered as broken, and everything else goes on.
func (s *Set) Prepare(stored []eventlog.Event) (events []Event, touches []Touch, broken []Broken) {
	return s.prepare(make([]Event, 0, len(stored)), make([]Touch, 0, len(stored)*2), stored, func(r *Route) Decode { return r.Decode })
}

// PrepareOwned is Prepare for those to whom the stored events belong, and who count the
// memory: texts are parts of an event's data, which nobody may change any more, and one
// that is kept keeps all of it. It appends to events and touches.
func (s *Set) PrepareOwned(events []Event, touches []Touch, stored []eventlog.Event) ([]Event, []Touch, []Broken) {
	return s.prepare(events, touches, stored, func(r *Route) Decode { return r.sharing })
}

func (s *Set) prepare(events []Event, touches []Touch, stored []eventlog.Event, decoder func(*Route) Decode) ([]Event, []Touch, []Broken) {
	var broken []Broken
	var keys []string
	for i := range stored {
		e := &stored[i]
		r := s.routes[e.Type]
		if r == nil {
			continue
		}
		d, fault := s.decode(r, decoder(r), e)
		if fault != nil {
			broken = append(broken, s.undecodable(e, fault))
			continue
		}
		n := len(events)
		events = append(events, d)
		for v := range d.Route.Views {
			at := &d.Route.Views[v]
			before := len(touches)
			var fault *FoldError
			if keys, fault = s.keysOf(keys[:0], at, &d); fault != nil {
				broken = addBroken(broken, Broken{Event: e, Views: []int{at.View}, Fault: fault})
				touches = touches[:before]
				continue
			}
			for _, key := range keys {
				touches = append(touches, Touch{View: at.View, Handling: at.Handling, Key: key, Event: n})
			}
		}
	}
	return events, touches, broken
}

// addBroken adds what one handler cannot read; a view that cannot read an event twice
// is answered once.
func addBroken(broken []Broken, b Broken) []Broken {
	if n := len(broken); n > 0 && broken[n-1].Event == b.Event && broken[n-1].Views[0] == b.Views[0] {
		return broken
	}
	return append(broken, b)
}

func (s *Set) undecodable(e *eventlog.Event, fault *FoldError) Broken {
	b := Broken{Event: e, Fault: fault}
	for _, v := range s.routes[e.Type].Views {
		if !slices.Contains(b.Views, v.View) {
			b.Views = append(b.Views, v.View)
		}
	}
	b.Fault.Reason = ReasonUndecodable
	return b
}

// keysOf reads the keys of the rows that an event touches in one view.
func (s *Set) keysOf(dst []string, at *ViewRoute, e *Event) (keys []string, fault *FoldError) {
	defer func() {
		if p := recover(); p != nil {
			fault = s.fault(at.View, "", e, panicked(p), hintKey)
			fault.Reason = ReasonKey
		}
	}()
	keys = at.Handling.Keys(dst, e.Value, &e.Meta)
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			fault = s.fault(at.View, "", e, err, hintKey)
			fault.Reason = ReasonKey
			return keys, fault
		}
	}
	return keys, nil
}
