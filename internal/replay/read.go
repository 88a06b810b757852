package replay

import (
	"strings"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// page is what is read at a time of a stretch, on its way into the slices.
type page struct {
	raw    []eventlog.Event
	events []projections.Event
	// handled counts those that a view handles.
	handled int
	// of is each decoded event's place in raw.
	of      []int32
	touches []projections.Touch
	broken  []projections.Broken
	// hashes are those of the touches' keys, parts their slices.
	hashes []uint64
	parts  []int32
	// waiting are touches that cannot be folded, and that faults is asked about.
	waiting []Waiting
	next    eventlog.Position
}

// reset makes a page that was folded empty. Nobody has it any more, nor its events: rows
// keep their values only.
func (p *page) reset() {
	clear(p.raw)
	clear(p.events)
	clear(p.touches[:cap(p.touches)])
	clear(p.waiting)
	*p = page{
		raw: p.raw[:0], events: p.events[:0], of: p.of[:0],
		touches: p.touches[:0], hashes: p.hashes[:0], parts: p.parts[:0], waiting: p.waiting[:0],
	}
}

// decode finds out what a page's events touch. It knows nothing of the pages before.
func (r *replay) decode(p *page) {
	p.events, p.touches, p.broken = r.cfg.Set.PrepareOwned(p.events, p.touches, p.raw)
	at := 0
	for i := range p.events {
		for p.raw[at].Position != p.events[i].Meta.Position {
			at++
		}
		p.of = append(p.of, int32(at))
		if len(p.events[i].Route.Views) > 0 {
			p.handled++
		}
	}
	for i := range p.touches {
		p.hashes = append(p.hashes, Hash(p.touches[i].Key))
	}
}

// sort keeps the touches that are to be folded, each with its slice.
func (r *replay) sort(p *page) error {
	for i := range p.broken {
		for _, view := range p.broken[i].Views {
			if err := r.keyless(p, view, &p.broken[i]); err != nil {
				return err
			}
		}
	}
	touches, hashes := p.touches, p.hashes
	p.touches, p.hashes = touches[:0], hashes[:0]
	for i, t := range touches {
		v := &r.views[t.View]
		if !v.folded {
			continue
		}
		e := &p.events[t.Event]
		slice := r.slice(hashes[i])
		switch {
		case !v.whole && r.cfg.Keep != nil && !r.cfg.Keep(v.model, t.Key):
		case v.done != nil && v.done[slice]:
		case r.only != nil && !r.only.has(t.View, t.Key, e.Meta.Position.Place()):
		case r.skip(t.View, t.Key, e.Meta):
		case r.waits(p, &t, e):
		default:
			p.touches = append(p.touches, t)
			p.hashes = append(p.hashes, hashes[i])
			p.parts = append(p.parts, int32(r.part(t.View, slice)))
		}
	}
	return nil
}

func (r *replay) skip(view int, key string, m projections.Meta) bool {
	return r.cfg.Skip != nil && r.cfg.Skip(r.views[view].model, key, m.Stream, m.Position.Place())
}

// keyless is an event of which it is not known which row of a view it touches: from
// here on its stream waits there.
func (r *replay) keyless(p *page, view int, b *projections.Broken) error {
	v := &r.views[view]
	m := projections.MetaOf(b.Event)
	if !v.folded || r.skip(view, "", m) {
		return nil
	}
	if r.cfg.Faults == nil {
		return b.Fault
	}
	fault := *b.Fault
	fault.View, fault.Stream = v.model.Name, m.Stream
	if id := (rowID{view, m.Stream}); r.streams[id] == 0 {
		id.name = strings.Clone(id.name) // not with its event
		r.streams[id] = m.Position.Place()
	}
	p.waiting = append(p.waiting, Waiting{View: v.model, Stream: m.Stream, EventType: fault.Type, Position: fault.Position, Fault: &fault})
	return nil
}

// waits reports whether a touch waits behind its stream. Its row waits from then on too.
func (r *replay) waits(p *page, t *projections.Touch, e *projections.Event) bool {
	if len(r.streams) == 0 {
		return false
	}
	from, ok := r.streams[rowID{t.View, e.Meta.Stream}]
	if !ok || e.Meta.Position.Place() < from { // of that event itself no handler folds anything
		return false
	}
	p.waiting = append(p.waiting, r.waiting(t, e))
	return true
}
