package reading

import (
	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/projections"
)

// Page is what is read at a time of a stretch.
type Page struct {
	Raw    []eventlog.Event
	Events []projections.Event
	// Handled counts those that a view handles.
	Handled int
	// Of is each decoded event's place in Raw.
	Of      []int32
	Touches []projections.Touch
	Broken  []projections.Broken
	// Hashes are those of the touches' keys.
	Hashes []uint64
	// Next is the place up to which the log was read.
	Next eventlog.Position
}

// reset makes a page that was folded empty. Nobody has it any more, nor its events: rows
// keep their values only.
func (p *Page) reset() {
	clear(p.Raw)
	clear(p.Events)
	clear(p.Touches[:cap(p.Touches)])
	*p = Page{Raw: p.Raw[:0], Events: p.Events[:0], Of: p.Of[:0], Touches: p.Touches[:0], Hashes: p.Hashes[:0]}
}

// decode finds out what a page's events touch. It knows nothing of the pages before.
func (p *Page) decode(set *projections.Set) {
	p.Events, p.Touches, p.Broken = set.PrepareOwned(p.Events, p.Touches, p.Raw)
	at := 0
	for i := range p.Events {
		for p.Raw[at].Position != p.Events[i].Meta.Position {
			at++
		}
		p.Of = append(p.Of, int32(at))
		if len(p.Events[i].Route.Views) > 0 {
			p.Handled++
		}
	}
	for i := range p.Touches {
		p.Hashes = append(p.Hashes, keyhash.Of(p.Touches[i].Key))
	}
}
