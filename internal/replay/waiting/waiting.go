// Package waiting is the record of what of the log cannot be folded: the events with a fault,
// and all that touches their rows, or is of their streams, later. It decides on places and
// keys alone.
package waiting

import (
	"strings"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Touch is a touch that was not folded.
type Touch struct {
	View *projections.Model
	// Key is the row; empty where it could not be read: then Stream waits in that view.
	Key, Stream, EventType string
	Position               eventlog.Position
	// Fault is why; nil where it only waits behind one that failed.
	Fault *projections.FoldError
}

// Of returns the touch of an event on a row.
func Of(view *projections.Model, key string, e *projections.Event) Touch {
	return Touch{View: view, Key: key, Stream: e.Meta.Stream, EventType: e.Route.EventType, Position: e.Meta.Position}
}

// ownTexts frees the row's and the stream's name from the event that they are parts of:
// they are kept for long, and it would be kept with them.
func (t *Touch) ownTexts() {
	t.Key, t.Stream = strings.Clone(t.Key), strings.Clone(t.Stream)
	if t.Fault != nil {
		t.Fault.Key, t.Fault.Stream = t.Key, t.Stream
	}
}

// ID is a row, or a stream, of a view: the view's number, and the key or the stream's name.
type ID struct {
	View int
	Name string
}

// Record is what waits.
type Record struct {
	// streams wait from an event on whose rows are not known.
	streams map[ID]int64
	// blocked is from which place on the touches of a row wait.
	blocked map[ID]int64
	// reported is the last place of a row that was reported: one event may touch it twice.
	reported map[ID]int64
	report   func(Touch) error
}

// NewRecord returns a record of nothing, which calls report with each touch that waits.
func NewRecord(report func(Touch) error) *Record {
	return &Record{streams: map[ID]int64{}, blocked: map[ID]int64{}, reported: map[ID]int64{}, report: report}
}

// HasRows reports whether any row waits.
func (r *Record) HasRows() bool { return len(r.blocked) > 0 }

// HasStreams reports whether any stream waits.
func (r *Record) HasStreams() bool { return len(r.streams) > 0 }

// From returns the place from which on a row waits.
func (r *Record) From(row ID) (place int64, waits bool) {
	place, waits = r.blocked[row]
	return place, waits
}

// Blocks reports whether an event at the place waits behind a fault of the row.
func (r *Record) Blocks(view int, key string, place int64) bool {
	if len(r.blocked) == 0 {
		return false
	}
	from, ok := r.blocked[ID{view, key}]
	return ok && place >= from
}

// AddStream lets a stream wait in a view, from the place on.
func (r *Record) AddStream(view int, stream string, place int64) {
	id := ID{view, stream}
	if r.streams[id] == 0 {
		id.Name = strings.Clone(stream) // not with its event
		r.streams[id] = place
	}
}

// BlocksStream reports whether an event at the place waits with its stream.
func (r *Record) BlocksStream(view int, stream string, place int64) bool {
	from, ok := r.streams[ID{view, stream}]
	return ok && place >= from
}

// Report reports a touch of a view that waits, in the order of each row's events; the row
// waits from the first one on.
func (r *Record) Report(view int, t Touch) error {
	t.ownTexts()
	if t.Key != "" {
		id, place := ID{view, t.Key}, t.Position.Place()
		if r.reported[id] == place {
			return nil
		}
		r.reported[id] = place
		if from, ok := r.blocked[id]; !ok || place < from {
			r.blocked[id] = place
		}
	}
	return r.report(t)
}
