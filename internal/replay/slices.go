package replay

import (
	"github.com/readside/readside/internal/replay/reading"
	"github.com/readside/readside/internal/replay/rowtable"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/progress"
)

// rowOverhead is what a row takes beside its values: its struct, its place in the map.
const rowOverhead = 160

// resident is what a page folds into rows in memory.
type resident struct {
	r       *replay
	page    *reading.Page
	touches []projections.Touch
	hashes  []uint64
	parts   []int32
}

// lookUp finds the rows of all touches before the first is folded.
func (f *resident) lookUp() {
	found := f.r.found[:0]
	for i := range f.touches {
		found = append(found, rowtable.Found{Row: f.r.all.At(int(f.parts[i])).Rows.WithHash(f.hashes[i])})
	}
	rowtable.ReadKeys(found)
	for i := range f.touches {
		t, p := &f.touches[i], f.r.all.At(int(f.parts[i]))
		n := eventShare(f.page, t.Event)
		t.Row = found[i].Row
		if t.Row == nil || found[i].Key != t.Key {
			t.Row = p.Rows.Get(f.hashes[i], t.Key)
		}
		if t.Row == nil {
			v := &f.r.views[t.View]
			t.Row = v.model.NewRow(t.Key)
			p.Rows.Put(f.hashes[i], t.Row)
			n += v.rowBytes + int64(len(t.Key))
		}
		f.r.all.Touch(p, n)
	}
	clear(found)
	f.r.found = found
}

// eventShare is what a row keeps of an event, if it keeps anything: all of its data,
// which texts are parts of, and its meta, which shares the memory.
func eventShare(p *reading.Page, event int) int64 {
	e := &p.Raw[p.Of[event]]
	return int64(len(e.Data) + len(e.ID) + len(e.Stream) + len(e.CorrelationID))
}

// fold folds a page: into rows in memory, and onto disk what touches others.
func (r *replay) fold(p *page) error {
	if err := r.report(p.waiting...); err != nil {
		return err
	}
	f := &resident{r: r, page: p.read, touches: p.read.Touches, hashes: p.read.Hashes, parts: p.parts}
	if r.all.Spilling() || r.waits.HasRows() {
		if err := r.sift(f, p); err != nil {
			return err
		}
	}
	if err := f.foldAll(); err != nil {
		return err
	}
	if err := r.all.Shrink(); err != nil {
		return err
	}
	r.events += int64(p.read.Handled)
	r.tell(progress.Fold{Phase: progress.Reading, Place: p.read.Next.Place()})
	return nil
}

// sift leaves the touches that are folded in memory; it writes down the others, and
// reports those that wait behind a fault.
func (r *replay) sift(f *resident, p *page) error {
	touches, hashes, events := p.read.Touches, p.read.Hashes, p.read.Events
	f.touches, f.hashes, f.parts = touches[:0], hashes[:0], p.parts[:0]
	var down []placed
	for i := range touches {
		t, hash, at := touches[i], hashes[i], p.parts[i]
		part := r.all.At(int(at))
		switch {
		case part.Spilled && part.Rows.Get(hash, t.Key) == nil:
			down = append(down, placed{t, at})
		case r.waits.Blocks(t.View, t.Key, events[t.Event].Meta.Position.Place()):
			if err := r.report(r.waiting(&t, &events[t.Event])); err != nil {
				return err
			}
		default:
			f.touches, f.hashes, f.parts = append(f.touches, t), append(f.hashes, hash), append(f.parts, at)
		}
	}
	return r.writeDown(p.read, down)
}

// placed is a touch and its part.
type placed struct {
	projections.Touch
	part int32
}
