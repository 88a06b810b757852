package projections

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/readside/readside/eventlog"
)

// Event is a decoded event on its way into the rows.
type Event struct {
	Route *Route
	Value any
	Meta  Meta
}

// Touch is one call of a handler that an event asks for: which row of which view.
type Touch struct {
	View     int
	Handling *Handling
	Key      string
	// Event is the event's index in its batch.
	Event int
	// Row is the row, where the caller has found it already.
	Row *Row
}

// Rows holds the rows that a batch touches. Row returns the row of a key, an
// absent one (NewRow) where there is none yet, and the same one when asked again.
type Rows interface {
	Row(view int, key string) *Row
}

// Decode lifts a stored event to its Go value. An event whose type the set does not
// handle returns ok false. The error is a *FoldError.
func (s *Set) Decode(e *eventlog.Event) (d Event, ok bool, err error) {
	r := s.routes[e.Type]
	if r == nil {
		return Event{}, false, nil
	}
	d, fault := s.decode(r, r.Decode, e)
	if fault != nil {
		return Event{}, false, fault
	}
	return d, true, nil
}

func (s *Set) decode(r *Route, decode Decode, e *eventlog.Event) (Event, *FoldError) {
	v, err := decoded(decode, e)
	if err != nil {
		return Event{}, &FoldError{
			View: s.firstView(r), Position: e.Position, Type: e.Type, Stream: e.Stream, Err: err, Hint: hintDecode,
		}
	}
	return Event{Route: r, Value: v, Meta: MetaOf(e)}, nil
}

func decoded(decode Decode, e *eventlog.Event) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return decode(e.SchemaVersion, e.Data)
}

// DecodeAll decodes the events that the set handles. At the first that cannot be
// decoded it stops, with those before it and the *FoldError.
func (s *Set) DecodeAll(stored []eventlog.Event) ([]Event, error) {
	events := make([]Event, 0, len(stored))
	for i := range stored {
		e, ok, err := s.Decode(&stored[i])
		if err != nil {
			return events, err
		}
		if ok {
			events = append(events, e)
		}
	}
	return events, nil
}

func (s *Set) firstView(r *Route) string {
	if len(r.Views) > 0 {
		return s.views[r.Views[0].View].Name
	}
	if len(r.Facts) > 0 {
		return s.facts[r.Facts[0].Fact].Name
	}
	return ""
}

// Touches appends the handler calls that events ask for, in the order of the log.
// The error is a *FoldError; the touches of the events before it are good.
func (s *Set) Touches(dst []Touch, events []Event) (touches []Touch, err error) {
	i := 0
	var at *ViewRoute
	defer func() {
		if p := recover(); p != nil {
			touches = dst
			err = s.fault(at.View, "", &events[i], panicked(p), hintHandler)
		}
	}()
	var keys []string
	for i = range events {
		e := &events[i]
		for v := range e.Route.Views {
			at = &e.Route.Views[v]
			keys = at.Handling.Keys(keys[:0], e.Value, &e.Meta)
			for _, key := range keys {
				if err := checkKey(key); err != nil {
					return dst, s.fault(at.View, key, e, err, hintKey)
				}
				dst = append(dst, Touch{View: at.View, Handling: at.Handling, Key: key, Event: i})
			}
		}
	}
	return dst, nil
}

// Fold is FoldAll for those whom the first fault ends: they drop the rows.
func (s *Set) Fold(rows Rows, touches []Touch, events []Event) error {
	if faults := s.FoldAll(rows, touches, events); len(faults) > 0 {
		return faults[0]
	}
	return nil
}

func (s *Set) fault(view int, key string, e *Event, err error, hint string) *FoldError {
	return &FoldError{
		View: s.views[view].Name, Key: key,
		Position: e.Meta.Position, Type: e.Route.EventType, Stream: e.Meta.Stream,
		Err: err, Hint: hint,
	}
}

func hintFor(err error) string {
	switch {
	case isBound(err):
		return hintBound
	case errors.Is(err, errJoined):
		return hintJoined
	case errors.Is(err, ErrOverflow):
		return hintOverflow
	}
	return hintHandler
}

func isBound(err error) bool {
	_, is := err.(boundError)
	return is
}

func reasonFor(err error) string {
	if isBound(err) {
		return ReasonUnstorable
	}
	return ReasonHandler
}

func panicked(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("panic: %w\n%s", err, debug.Stack())
	}
	return fmt.Errorf("panic: %v\n%s", p, debug.Stack())
}
