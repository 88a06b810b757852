package replay

import (
	"context"

	"github.com/readside/readside/internal/replay/reading"
	"github.com/readside/readside/projections"
)

// page is a page that was read, on its way into the slices.
type page struct {
	read *reading.Page
	// parts are the slices of the touches.
	parts []int32
	// waiting are touches that cannot be folded, and that are to be reported.
	waiting []Waiting
}

// read reads the log and hands each page, sorted into slices, to fold.
func (r *replay) read(ctx context.Context, fold func(*page) error) error {
	p := &page{}
	return reading.Pages(ctx, reading.Config{
		Log: r.cfg.Log, Set: r.cfg.Set, Types: r.cfg.Set.ViewTypes(), Until: r.cfg.Until,
		PageEvents: r.cfg.PageEvents, PageBytes: r.cfg.pageBytes(), Rate: r.cfg.Rate,
	}, func(read *reading.Page) error {
		clear(p.waiting)
		p.read, p.parts, p.waiting = read, p.parts[:0], p.waiting[:0]
		if err := r.sort(p); err != nil {
			return err
		}
		return fold(p)
	})
}

// sort keeps the touches that are to be folded, each with its slice.
func (r *replay) sort(p *page) error {
	for i := range p.read.Broken {
		for _, view := range p.read.Broken[i].Views {
			if err := r.keyless(p, view, &p.read.Broken[i]); err != nil {
				return err
			}
		}
	}
	touches, hashes := p.read.Touches, p.read.Hashes
	p.read.Touches, p.read.Hashes = touches[:0], hashes[:0]
	for i, t := range touches {
		v := &r.views[t.View]
		if !v.folded {
			continue
		}
		e := &p.read.Events[t.Event]
		slice := r.slice(hashes[i])
		switch {
		case !v.whole && r.cfg.Keep != nil && !r.cfg.Keep(v.model, t.Key):
		case v.done != nil && v.done[slice]:
		case r.only != nil && !r.only.has(t.View, t.Key, e.Meta.Position.Place()):
		case r.skip(t.View, t.Key, e.Meta):
		case r.waitsWithStream(p, &t, e):
		default:
			p.read.Touches = append(p.read.Touches, t)
			p.read.Hashes = append(p.read.Hashes, hashes[i])
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
	r.waits.AddStream(view, m.Stream, m.Position.Place())
	p.waiting = append(p.waiting, Waiting{View: v.model, Stream: m.Stream, EventType: fault.Type, Position: fault.Position, Fault: &fault})
	return nil
}

// waitsWithStream reports whether a touch waits with its stream. Its row waits from then on too.
func (r *replay) waitsWithStream(p *page, t *projections.Touch, e *projections.Event) bool {
	if !r.waits.HasStreams() || !r.waits.BlocksStream(t.View, e.Meta.Stream, e.Meta.Position.Place()) {
		return false
	}
	p.waiting = append(p.waiting, r.waiting(t, e))
	return true
}
