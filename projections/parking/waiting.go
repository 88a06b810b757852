package parking

import (
	"fmt"

	"github.com/readside/readside/projections"
)

// The states of an event that is not folded into a row, as they are stored and shown.
const (
	Parked    = "parked"    // it cannot be folded
	Queued    = "queued"    // it waits behind a parked one
	Discarded = "discarded" // an operator has decided that it is never folded
)

// QueuedMax bounds the events that wait behind parked ones; over it the projector halts,
// since a retry holds them in one transaction.
const QueuedMax = 100_000

const hintMend = "mend and retry, or discard, what is parked"

// Row names a row of a set, by the view's index in Set.Views.
type Row struct {
	View int
	Key  string
}

// stream names a stream that waits in a view.
type stream struct {
	view int
	name string
}

// Event names an event and a row that it concerns; Key is empty where it could not be read.
type Event struct {
	View  int
	Key   string
	Place int64
}

// Entry is an event that is not folded into a row, as it is written down.
type Entry struct {
	Event
	// Stream is empty for joins that failed: no event is theirs.
	Stream string
	State  string
}

// Waiting is what waits: which rows, and in which views which streams.
type Waiting struct {
	rows    map[Row]bool
	streams map[stream]bool
	// discarded are the events that no fold takes, waiting those that wait.
	discarded, waiting map[Event]bool
	parked, queued     int
}

// New is a Waiting in which nothing waits.
func New() *Waiting {
	return &Waiting{rows: map[Row]bool{}, streams: map[stream]bool{}, discarded: map[Event]bool{}, waiting: map[Event]bool{}}
}

// Empty reports whether every event can be folded.
func (w *Waiting) Empty() bool {
	return len(w.rows) == 0 && len(w.streams) == 0 && len(w.discarded) == 0
}

// Add enters what is written down.
func (w *Waiting) Add(e Entry) {
	if e.State == Discarded {
		w.discarded[e.Event] = true
		return
	}
	if e.Stream != "" {
		w.waiting[e.Event] = true
	}
	w.wait(e.View, e.Key, e.Stream)
	w.count(e.State == Parked)
}

// Free takes an entry out of what waits.
func (w *Waiting) Free(e Entry) {
	delete(w.rows, Row{e.View, e.Key})
	delete(w.streams, stream{e.View, e.Stream})
	if e.Stream != "" {
		delete(w.waiting, e.Event)
	}
	if e.State == Parked {
		w.parked--
	} else {
		w.queued--
	}
}

// Discard notes an event that no fold takes any more.
func (w *Waiting) Discard(e Event) { w.discarded[e] = true }

// IsDiscarded reports whether an event is never folded into a row.
func (w *Waiting) IsDiscarded(e Event) bool {
	return len(w.discarded) > 0 && (w.discarded[e] || w.discarded[Event{e.View, "", e.Place}])
}

// Holds reports whether an event is not in a row: it waits, or was discarded.
func (w *Waiting) Holds(e Event) bool {
	return w.IsDiscarded(e) || w.waiting[e] || w.waiting[Event{e.View, "", e.Place}]
}

// HeldOf are the events up to a place that are not in a row.
func (w *Waiting) HeldOf(r Row, until int64) map[Event]bool {
	out := map[Event]bool{}
	for _, events := range []map[Event]bool{w.discarded, w.waiting} {
		for e := range events {
			if e.View == r.View && (e.Key == r.Key || e.Key == "") && e.Place <= until {
				out[e] = true
			}
		}
	}
	return out
}

func (w *Waiting) wait(view int, key, name string) {
	if key == "" {
		w.streams[stream{view, name}] = true
		return
	}
	w.rows[Row{view, key}] = true
}

func (w *Waiting) count(faulty bool) {
	if faulty {
		w.parked++
	} else {
		w.queued++
	}
}

// Hold counts an event that a first build does not fold. It returns the fault that halts the
// projector when too much waits.
func (w *Waiting) Hold(h Held, most int) *projections.FoldError {
	w.count(h.Fault != nil)
	if h.Fault != nil && w.parked > most {
		return because(h.Fault, fmt.Errorf("%w; it is number %d of the parked events, and %d are allowed", h.Fault.Err, w.parked, most))
	}
	return h.overQueued(w.queued)
}

// Over returns the fault that halts the projector when too much would wait: more than most
// parked events, or more than QueuedMax behind them.
func (w *Waiting) Over(held []Held, most int) *projections.FoldError {
	parked, queued := w.parked, w.queued
	for _, h := range held {
		if h.Fault == nil {
			queued++
			continue
		}
		if parked++; parked > most {
			return because(h.Fault, fmt.Errorf("%w; it would be number %d of the parked events, and %d are allowed", h.Fault.Err, parked, most))
		}
	}
	if len(held) == 0 {
		return nil
	}
	return held[len(held)-1].overQueued(queued)
}

// because is the fault with another cause.
func because(fault *projections.FoldError, err error) *projections.FoldError {
	f := *fault
	f.Err = err
	return &f
}
