package parking

import (
	"fmt"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Batch is what an attempt chooses from.
type Batch struct {
	Events  []projections.Event
	Touches []projections.Touch
	// Broken are the events whose rows could not be determined.
	Broken []projections.Broken
}

// Held is an event that a batch does not fold into a row.
type Held struct {
	View      int
	ViewName  string
	Key       string
	Stream    string
	EventType string
	Position  eventlog.Position
	// Fault is why; nil for an event that waits behind another.
	Fault *projections.FoldError
	// Degraded are rows to mark where the key is not known.
	Degraded []string
}

func (h *Held) overQueued(queued int) *projections.FoldError {
	if queued <= QueuedMax {
		return nil
	}
	return &projections.FoldError{View: h.ViewName, Key: h.Key, Position: h.Position, Type: h.EventType, Stream: h.Stream,
		Err: fmt.Errorf("%d events wait behind parked ones, and %d are allowed", queued, QueuedMax), Hint: hintMend}
}

// Attempt is a batch without the touches that wait, and what waits of it.
type Attempt struct {
	// Touches are those to fold; of a batch that comes in parts, those of the last part.
	Touches []projections.Touch
	// Held are the events that are not folded, in their order.
	Held []Held

	waiting *Waiting
	// here is what waits since this batch.
	here *Waiting
	// failing are the faults that former attempts met, by row.
	failing map[Row]*projections.FoldError
	// last is the place of the last event held of each row.
	last map[Row]int64
	// written is how many of Held are written down.
	written int
	ended   bool
}

// Begin begins an attempt at a batch that comes in parts: Take each, then End. failing are
// the faults that former attempts at it met; it may be nil.
func (w *Waiting) Begin(failing map[Row]*projections.FoldError) *Attempt {
	return &Attempt{waiting: w, here: New(), failing: failing}
}

// Attempt takes out of a whole batch what waits: behind what is parked already, behind its
// broken events, and from the faults of former attempts on. next is the batch's end.
func (w *Waiting) Attempt(set *projections.Set, b Batch, next eventlog.Position, failing map[Row]*projections.FoldError) *Attempt {
	a := w.Begin(failing)
	a.Take(set, b)
	a.End(next)
	return a
}

// Take takes out of the next part of a batch what waits.
func (a *Attempt) Take(set *projections.Set, b Batch) {
	if a.waiting.Empty() && a.here.Empty() && len(b.Broken) == 0 && len(a.failing) == 0 {
		a.Touches = b.Touches
		return
	}
	broken := b.Broken
	if a.last == nil {
		a.last = map[Row]int64{}
	}
	a.Touches = make([]projections.Touch, 0, len(b.Touches))
	for _, t := range b.Touches {
		e := &b.Events[t.Event]
		for len(broken) > 0 && broken[0].Event.Position.Place() <= e.Meta.Position.Place() {
			a.park(set, broken[0])
			broken = broken[1:]
		}
		a.add(set, t, e)
	}
	for _, br := range broken {
		a.park(set, br)
	}
}

// End ends an attempt: no part of the batch follows. It holds rows that the batch did not
// touch and whose joins failed: no event is theirs, so they stand at the batch's end.
func (a *Attempt) End(next eventlog.Position) {
	a.ended = true
	for r, fault := range a.failing {
		if fault.Position.IsZero() {
			a.here.rows[r] = true
			a.Held = append(a.Held, Held{View: r.View, ViewName: fault.View, Key: r.Key, EventType: fault.Type, Position: next, Fault: fault})
		}
	}
}

// Ended reports whether all parts were taken.
func (a *Attempt) Ended() bool { return a.ended }

// park holds an event whose rows could not be determined.
func (a *Attempt) park(set *projections.Set, b projections.Broken) {
	for _, v := range b.Views {
		if a.waiting.IsDiscarded(Event{v, "", b.Event.Position.Place()}) {
			continue
		}
		a.here.wait(v, "", b.Event.Stream)
		a.Held = append(a.Held, Held{
			View: v, ViewName: set.Views()[v].Name, Stream: b.Event.Stream, EventType: b.Event.Type,
			Position: b.Event.Position, Fault: b.Fault,
		})
	}
}

// add folds a touch, or holds it: it is the one that failed, or waits.
func (a *Attempt) add(set *projections.Set, t projections.Touch, e *projections.Event) {
	r, place := Row{t.View, t.Key}, e.Meta.Position.Place()
	if a.waiting.IsDiscarded(Event{t.View, t.Key, place}) {
		return
	}
	fault := a.failing[r]
	if fault != nil && (e.Meta.Position != fault.Position || a.here.rows[r]) {
		fault = nil // it is another event of the row that failed
	}
	if fault == nil && !a.waits(r, stream{t.View, e.Meta.Stream}) {
		a.Touches = append(a.Touches, t)
		return
	}
	a.here.rows[r] = true
	if a.last[r] == place {
		return // two handlers of one event: it waits as a whole
	}
	a.last[r] = place
	a.Held = append(a.Held, Held{
		View: t.View, ViewName: set.Views()[t.View].Name, Key: t.Key, Stream: e.Meta.Stream, EventType: e.Route.EventType,
		Position: e.Meta.Position, Fault: fault,
	})
}

func (a *Attempt) waits(r Row, s stream) bool {
	return a.waiting.rows[r] || a.here.rows[r] || a.waiting.streams[s] || a.here.streams[s]
}

// RowWaits reports whether a row has events that wait: its joins may fail, too.
func (a *Attempt) RowWaits(r Row) bool { return a.waiting.rows[r] || a.here.rows[r] }

// Fresh are the events held since the last were written down.
func (a *Attempt) Fresh() []Held { return a.Held[a.written:] }

// Written notes that all events held so far are written down.
func (a *Attempt) Written() { a.written = len(a.Held) }

// Commit adds what the batch held to what waits.
func (a *Attempt) Commit() {
	for r := range a.here.rows {
		a.waiting.rows[r] = true
	}
	for s := range a.here.streams {
		a.waiting.streams[s] = true
	}
	for _, h := range a.Held {
		if h.Stream != "" {
			a.waiting.waiting[Event{h.View, h.Key, h.Position.Place()}] = true
		}
		a.waiting.count(h.Fault != nil)
	}
}
