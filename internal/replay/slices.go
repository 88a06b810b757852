package replay

import (
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/progress"
)

// part is one slice of one view.
type part struct {
	view int
	// rows are those in memory: all of them, or, of a slice on disk, those few that
	// cannot be written down as they are now.
	rows    rowTable
	spilled bool
	// gone reports whether the rows were handed out and are not held for joins any more.
	gone bool
	// bytes is what the rows take, by estimate: with all that their events brought. Lists of
	// short texts and of numbers take a few times what they did in an event.
	bytes int64
	// packed is what they took when they were last packed.
	packed  int64
	touched int64
}

// rowOverhead is what a row takes beside its values: its struct, its place in the map.
const rowOverhead = 160

// resident is what a page folds into rows in memory.
type resident struct {
	*replay
	page    *page
	touches []projections.Touch
	hashes  []uint64
	parts   []int32
}

// lookUp finds the rows of all touches before the first is folded.
func (f *resident) lookUp() {
	found := f.found[:0]
	for i := range f.touches {
		found = append(found, foundRow{row: f.all[f.parts[i]].rows.withHash(f.hashes[i])})
	}
	readKeys(found)
	for i := range f.touches {
		t, p := &f.touches[i], &f.all[f.parts[i]]
		n := f.eventShare(f.page, t.Event)
		t.Row = found[i].row
		if t.Row == nil || found[i].key != t.Key {
			t.Row = p.rows.get(f.hashes[i], t.Key)
		}
		if t.Row == nil {
			v := &f.views[t.View]
			t.Row = v.model.NewRow(t.Key)
			p.rows.put(f.hashes[i], t.Row)
			n += v.rowBytes + int64(len(t.Key))
		}
		p.bytes += n
		p.touched++
		f.held += n
	}
	clear(found)
	f.found = found
}

// eventShare is what a row keeps of an event, if it keeps anything: all of its data,
// which texts are parts of, and its meta, which shares the memory.
func (r *replay) eventShare(p *page, event int) int64 {
	e := &p.raw[p.of[event]]
	return int64(len(e.Data) + len(e.ID) + len(e.Stream) + len(e.CorrelationID))
}

// fold folds a page: into rows in memory, and onto disk what touches others.
func (r *replay) fold(p *page) error {
	if err := r.report(p.waiting...); err != nil {
		return err
	}
	f := &resident{replay: r, page: p, touches: p.touches, hashes: p.hashes, parts: p.parts}
	if r.spilling || len(r.blocked) > 0 {
		if err := r.sift(f); err != nil {
			return err
		}
	}
	if err := f.foldAll(); err != nil {
		return err
	}
	if err := r.relieve(); err != nil {
		return err
	}
	r.events += int64(p.handled)
	r.tell(progress.Fold{Phase: progress.Reading, Place: p.next.Place()})
	return nil
}

// sift leaves the touches that are folded in memory; it writes down the others, and
// reports those that wait behind a fault.
func (r *replay) sift(f *resident) error {
	p := f.page
	f.touches, f.hashes, f.parts = p.touches[:0], p.hashes[:0], p.parts[:0]
	var down []placed
	for i := range p.touches {
		t, hash, at := p.touches[i], p.hashes[i], p.parts[i]
		part := &r.all[at]
		switch {
		case part.spilled && part.rows.get(hash, t.Key) == nil:
			down = append(down, placed{t, at})
		case r.isBlocked(t.View, t.Key, p.events[t.Event].Meta.Position.Place()):
			if err := r.report(r.waiting(&t, &p.events[t.Event])); err != nil {
				return err
			}
		default:
			f.touches, f.hashes, f.parts = append(f.touches, t), append(f.hashes, hash), append(f.parts, at)
		}
	}
	return r.writeDown(p, down)
}

// placed is a touch and its part.
type placed struct {
	projections.Touch
	part int32
}

// relieve brings what is held in memory below the budget, the largest slices first,
// and some way below, so that not every page ends here.
func (r *replay) relieve() error {
	if r.held <= r.cfg.rowBytes() {
		return nil
	}
	for r.held > r.cfg.rowBytes()/4*3 {
		at := r.largest()
		if at < 0 {
			return nil
		}
		if r.all[at].overcounted() {
			r.pack(at)
		} else if err := r.evict(at); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) largest() (at int) {
	at = -1
	for i := range r.all {
		if p := &r.all[i]; !p.spilled && p.rows.len > 0 && (at < 0 || p.bytes > r.all[at].bytes) {
			at = i
		}
	}
	return at
}

// overcounted reports whether rows were touched often since they were last packed, so that
// most of what was counted for them is overwritten.
func (p *part) overcounted() bool {
	return p.touched >= int64(3*p.rows.len) && p.bytes >= 2*p.packed
}

// pack lets rows keep nothing but themselves of the events that made them.
func (r *replay) pack(at int) {
	p := &r.all[at]
	v := &r.views[p.view]
	size := int64(0)
	for _, row := range p.rows.all() {
		size += v.rowBytes + int64(len(row.Key))
		if own, err := v.layout.AppendOwn(nil, row); err == nil { // else it stays as it is
			if packed, err := v.layout.ReadOwn(own); err == nil {
				row.Key, row.Value = packed.Key, packed.Value
				size += int64(2 * len(own))
			}
		}
	}
	r.held += size - p.bytes
	p.bytes, p.packed, p.touched = size, size, 0
}

// evict writes a slice's rows down; what touches them from now on follows them. A row
// that cannot be stored as it is now stays: it may be mended before it is finished.
func (r *replay) evict(at int) error {
	p := &r.all[at]
	v := &r.views[p.view]
	r.spilling, p.spilled = true, true
	stuck := int64(0)
	var stay rowTable
	for hash, row := range p.rows.all() {
		own, err := v.layout.AppendOwn(r.scratch[:0], row)
		r.scratch = own
		if err != nil {
			stuck += v.rowBytes + int64(len(row.Key)+2*len(own))
			stay.put(hash, row)
			continue
		}
		err = r.spill.Append(at, func(buf []byte) ([]byte, error) { return append(append(buf, recordRow), own...), nil })
		if err != nil {
			return err
		}
	}
	p.rows = stay
	r.held += stuck - p.bytes
	p.bytes = stuck
	return nil
}
