package explain

import (
	"errors"
	"slices"
	"strings"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

// rowID is a row of one of the set's views.
type rowID struct {
	view int
	key  string
}

// fold follows a row and those that it joins through one pass after the other.
type fold struct {
	set     *projections.Set // the view and its sources
	layouts []*hot.Layout
	model   *projections.Model // of the row
	table   *hot.Table
	root    rowID
	held    map[touched]Held

	// via are the rows that are followed, and how the root came to name them. They stay
	// from pass to pass.
	via map[rowID]origin

	// What a pass folds.
	rows    map[rowID]*followed
	last    joinedRow // the root as it was after the event before
	steps   steps
	broken  []Step // events without readable keys, of any stream
	streams map[string]bool
}

// followed is a row with own columns only.
type followed struct {
	*projections.Row
	saved []byte // its own columns, to go back to when a handler fails
	place int64  // of the event that touched it last
}

func newFold(set *projections.Set, m *projections.Model, key string) (*fold, error) {
	f := &fold{set: set, model: m, root: rowID{slices.Index(set.Views(), m), key}, via: map[rowID]origin{}}
	for _, v := range set.Views() {
		l, err := hot.NewLayout(v)
		if err != nil {
			return nil, err
		}
		f.layouts = append(f.layouts, l)
	}
	f.via[f.root] = origin{}
	return f, nil
}

// begin forgets what the pass before folded.
func (f *fold) begin() {
	f.rows = map[rowID]*followed{}
	f.steps, f.broken, f.streams = steps{}, nil, map[string]bool{}
	f.last = joinedRow{row: f.model.NewRow(f.root.key)}
}

// types are the event types of the views that have rows to follow.
func (f *fold) types() []string {
	types := []string{}
	for id := range f.via {
		for _, h := range f.set.Views()[id.view].Handlings {
			types = append(types, h.EventType)
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// page folds the events of one page into the rows that are followed.
func (f *fold) page(stored []eventlog.Event) error {
	events, touches, broken := f.set.Prepare(stored)
	for _, b := range broken {
		f.noteBroken(b)
	}
	for len(touches) > 0 {
		n := 1
		for n < len(touches) && touches[n].Event == touches[0].Event {
			n++
		}
		if err := f.event(events, touches[:n]); err != nil {
			return err
		}
		touches = touches[n:]
	}
	return nil
}

// event folds one event's touches of followed rows, and tells what it did to the root.
func (f *fold) event(events []projections.Event, touches []projections.Touch) error {
	e := &events[touches[0].Event]
	step := stepOf(e.Route.EventType, e.Meta)
	own, concerned := false, false
	for i := range touches {
		id := rowID{touches[i].View, touches[i].Key}
		if _, ok := f.via[id]; !ok {
			continue
		}
		concerned, own = true, own || id == f.root
		held, err := f.touch(id, events, touches[i:i+1])
		if err != nil {
			return err
		}
		if held != nil {
			step.Held = append(step.Held, *held)
		}
		if id != f.root {
			step.Through = append(step.Through, f.through(id))
		}
	}
	if !concerned {
		return nil
	}
	if own {
		step.Through = nil
		f.streams[e.Meta.Stream] = true
	}
	return f.tell(step, own)
}

// touch folds a touch unless it is held; what cannot be folded leaves the row as it was.
func (f *fold) touch(id rowID, events []projections.Event, touch []projections.Touch) (*Held, error) {
	m := f.set.Views()[id.view]
	meta := events[touch[0].Event].Meta
	for _, key := range []string{id.key, ""} {
		if h, ok := f.held[touched{m.Name, key, meta.Position.Place()}]; ok {
			return &h, nil
		}
	}
	r := f.Row(id.view, id.key)
	err := f.set.Fold(f, touch, events)
	var saved []byte
	if err == nil {
		saved, err = f.layouts[id.view].AppendOwn(nil, r)
	}
	if err != nil {
		return fault(m, id.key, err), f.restore(id)
	}
	f.rows[id].saved, f.rows[id].place = saved, meta.Position.Place()
	return nil, f.nameSources(id)
}

// Row makes the rows that are followed what handlers fold into.
func (f *fold) Row(view int, key string) *projections.Row {
	id := rowID{view, key}
	if f.rows[id] == nil {
		f.rows[id] = &followed{Row: f.set.Views()[view].NewRow(key)}
	}
	return f.rows[id].Row
}

// restore takes a row back to what it was before the event that failed.
func (f *fold) restore(id rowID) (err error) {
	r := f.rows[id]
	if r.saved == nil {
		r.Row = f.set.Views()[id.view].NewRow(id.key)
		return nil
	}
	r.Row, err = f.layouts[id.view].ReadOwn(r.saved)
	return err
}

// fault tells of a row that these handlers cannot fold.
func fault(m *projections.Model, key string, err error) *Held {
	h := &Held{View: m.Name, Key: key, State: stateFault, Error: firstLine(err.Error())}
	var f *projections.FoldError
	if errors.As(err, &f) {
		h.Reason, h.Error, h.Hint = f.Reason, firstLine(f.Err.Error()), f.Hint
	}
	return h
}

const stateFault = "fault"

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
