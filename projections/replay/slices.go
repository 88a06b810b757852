package replay

import (
	"github.com/readside/readside/projections"
)

// part is one slice of one view.
type part struct {
	view int
	// rows are those in memory: all of them, or, of a slice on disk, those few that
	// cannot be written down as they are now.
	rows    map[string]*projections.Row
	spilled bool
	// gone says that the rows were handed out and are not held for joins any more.
	gone bool
	// bytes is what the rows take, at most: with all that their events brought.
	bytes int64
	// packed is what they took when they were last packed.
	packed  int64
	touched int64
}

// rowOverhead is what a row takes beside its values: its struct, its place in the map.
const rowOverhead = 160

// resident folds touches into rows in memory. It implements projections.Rows: the
// fold asks for the row of each touch, in order.
type resident struct {
	*replay
	page    *page
	touches []projections.Touch
	parts   []int32
	next    int
}

// Row is the row of the next touch. Touches of rows that failed are passed over.
func (f *resident) Row(view int, key string) *projections.Row {
	for f.touches[f.next].View != view || f.touches[f.next].Key != key {
		f.next++
	}
	p := &f.all[f.parts[f.next]]
	t := &f.touches[f.next]
	f.next++
	row := p.rows[key]
	n := f.eventShare(f.page, t.Event)
	if row == nil {
		v := &f.views[view]
		row = v.model.NewRow(key)
		if p.rows == nil {
			p.rows = map[string]*projections.Row{}
		}
		p.rows[key] = row
		n += v.rowBytes + int64(len(key))
	}
	p.bytes += n
	p.touched++
	f.held += n
	return row
}

// eventShare is what a row may keep of an event: its texts point into the decoded
// data, and slices and maps of it may be as large again.
func (r *replay) eventShare(p *page, event int) int64 {
	e := &p.raw[p.of[event]]
	return int64(2*len(e.Data) + len(e.ID) + len(e.Stream) + len(e.CorrelationID))
}

// fold folds a page: into rows in memory, and onto disk what touches others.
func (r *replay) fold(p *page) error {
	if err := r.report(p.waiting...); err != nil {
		return err
	}
	f := &resident{replay: r, page: p, touches: p.touches, parts: p.parts}
	if r.spilling || len(r.blocked) > 0 {
		var err error
		if f.touches, f.parts, err = r.sift(p); err != nil {
			return err
		}
	}
	if err := f.foldAll(); err != nil {
		return err
	}
	if err := r.relieve(); err != nil {
		return err
	}
	r.events += int64(len(p.events))
	r.tell(Progress{Phase: Reading, Place: p.next.Place()})
	return nil
}

// sift answers the touches that are folded in memory; it writes down the others, and
// reports those that wait behind a fault.
func (r *replay) sift(p *page) (touches []projections.Touch, parts []int32, err error) {
	touches, parts = p.touches[:0], p.parts[:0]
	var down []placed
	for i := range p.touches {
		t, at := p.touches[i], p.parts[i]
		part := &r.all[at]
		switch {
		case part.spilled && part.rows[t.Key] == nil:
			down = append(down, placed{t, at})
		case r.isBlocked(t.View, t.Key, p.events[t.Event].Meta.Position.Place()):
			if err := r.report(r.waiting(&t, &p.events[t.Event])); err != nil {
				return nil, nil, err
			}
		default:
			touches, parts = append(touches, t), append(parts, at)
		}
	}
	return touches, parts, r.writeDown(p, down)
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
		if p := &r.all[i]; !p.spilled && len(p.rows) > 0 && (at < 0 || p.bytes > r.all[at].bytes) {
			at = i
		}
	}
	return at
}

// overcounted says that rows were touched often since they were last packed, so that
// most of what was counted for them is overwritten.
func (p *part) overcounted() bool {
	return p.touched >= int64(3*len(p.rows)) && p.bytes >= 2*p.packed
}

// pack lets rows keep nothing but themselves of the events that made them.
func (r *replay) pack(at int) {
	p := &r.all[at]
	v := &r.views[p.view]
	size := int64(0)
	for _, row := range p.rows {
		size += v.rowBytes + int64(len(row.Key))
		own, err := v.layout.AppendOwn(nil, row)
		if err != nil {
			continue // it cannot be stored as it is now, and stays as it is
		}
		packed, err := v.layout.ReadOwn(own)
		if err != nil {
			continue
		}
		row.Value = packed.Value
		size += int64(2 * len(own))
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
	for key, row := range p.rows {
		own, err := v.layout.AppendOwn(r.scratch[:0], row)
		r.scratch = own
		if err != nil {
			stuck += v.rowBytes + int64(len(key)+2*len(own))
			continue
		}
		delete(p.rows, key)
		err = r.spill.Append(at, func(buf []byte) ([]byte, error) { return append(append(buf, recordRow), own...), nil })
		if err != nil {
			return err
		}
	}
	if len(p.rows) == 0 {
		p.rows = nil
	}
	r.held += stuck - p.bytes
	p.bytes = stuck
	return nil
}
