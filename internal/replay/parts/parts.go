// Package parts holds the slices of all views while the log is read: their rows are in memory
// as long as the budget allows, and beyond that the largest slices are written down.
package parts

import (
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay/record"
	"github.com/readside/readside/internal/replay/rowtable"
	"github.com/readside/readside/internal/replay/spill"
)

// Part is one slice of one view.
type Part struct {
	// View is the view's number.
	View int
	// Rows are those in memory: all of them, or, of a slice on disk, those few that
	// cannot be written down as they are now.
	Rows    rowtable.Table
	Spilled bool
	// Gone reports whether the rows were handed out and are not held for joins any more.
	Gone bool

	// bytes is what the rows take, by estimate: with all that their events brought. Lists of
	// short texts and of numbers take a few times what they did in an event.
	bytes int64
	// packed is what they took when they were last packed.
	packed  int64
	touched int64
}

// Bytes returns what the rows take, by estimate.
func (p *Part) Bytes() int64 { return p.bytes }

// View is what is known of a view: how its rows are written down, and what a row takes
// without what its fields point to.
type View struct {
	Layout   *hot.Layout
	RowBytes int64
}

// Parts are the slices of all views, view by view.
type Parts struct {
	views []View
	all   []Part
	// held is what the rows in memory take, most what they may.
	held, most int64
	written    *spill.Records
	spilling   bool
	scratch    []byte
}

// New returns empty parts, so many of each view, whose rows may take so many bytes; what does
// not fit is written to records.
func New(views []View, slices int, most int64, records *spill.Records) *Parts {
	p := &Parts{views: views, all: make([]Part, len(views)*slices), most: most, written: records}
	for i := range p.all {
		p.all[i].View = i / slices
	}
	return p
}

// At returns a part by its number.
func (p *Parts) At(i int) *Part { return &p.all[i] }

// Spilling reports whether any part was written down.
func (p *Parts) Spilling() bool { return p.spilling }

// Fit reports whether the rows in memory are within their budget.
func (p *Parts) Fit() bool { return p.held <= p.most }

// Touch counts the bytes that an event brings to a row of a part.
func (p *Parts) Touch(part *Part, bytes int64) {
	part.bytes += bytes
	part.touched++
	p.held += bytes
}

// Fold puts the rows that were folded of a part on disk in its place.
func (p *Parts) Fold(part *Part, rows rowtable.Table, bytes int64) {
	p.held += bytes - part.bytes
	part.Rows, part.bytes, part.Spilled = rows, bytes, false
}

// Free forgets a part's rows.
func (p *Parts) Free(at int) {
	part := &p.all[at]
	p.held -= part.bytes
	part.bytes, part.Rows = 0, rowtable.Table{}
}

// Shrink brings what is held in memory below the budget, the largest slices first,
// and some way below, so that not every page ends here.
func (p *Parts) Shrink() error {
	if p.Fit() {
		return nil
	}
	for p.held > p.most/4*3 {
		at := p.largest()
		if at < 0 {
			return nil
		}
		if p.all[at].overcounted() {
			p.pack(at)
		} else if err := p.evict(at); err != nil {
			return err
		}
	}
	return nil
}

func (p *Parts) largest() (at int) {
	at = -1
	for i := range p.all {
		if part := &p.all[i]; !part.Spilled && part.Rows.Len() > 0 && (at < 0 || part.bytes > p.all[at].bytes) {
			at = i
		}
	}
	return at
}

// overcounted reports whether rows were touched often since they were last packed, so that
// most of what was counted for them is overwritten.
func (p *Part) overcounted() bool {
	return p.touched >= int64(3*p.Rows.Len()) && p.bytes >= 2*p.packed
}

// pack lets rows keep nothing but themselves of the events that made them.
func (p *Parts) pack(at int) {
	part := &p.all[at]
	v := &p.views[part.View]
	size := int64(0)
	for _, row := range part.Rows.All() {
		size += v.RowBytes + int64(len(row.Key))
		if own, err := v.Layout.AppendOwn(nil, row); err == nil { // else it stays as it is
			if packed, err := v.Layout.ReadOwn(own); err == nil {
				row.Key, row.Value = packed.Key, packed.Value
				size += int64(2 * len(own))
			}
		}
	}
	p.held += size - part.bytes
	part.bytes, part.packed, part.touched = size, size, 0
}

// evict writes a slice's rows down; what touches them from now on follows them. A row
// that cannot be stored as it is now stays: it may be mended before it is finished.
func (p *Parts) evict(at int) error {
	part := &p.all[at]
	v := &p.views[part.View]
	p.spilling, part.Spilled = true, true
	stuck := int64(0)
	var stay rowtable.Table
	for hash, row := range part.Rows.All() {
		own, err := v.Layout.AppendOwn(p.scratch[:0], row)
		p.scratch = own
		if err != nil {
			stuck += v.RowBytes + int64(len(row.Key)+2*len(own))
			stay.Put(hash, row)
			continue
		}
		err = p.written.Append(at, func(buf []byte) ([]byte, error) { return append(append(buf, record.Row), own...), nil })
		if err != nil {
			return err
		}
	}
	part.Rows = stay
	p.held += stuck - part.bytes
	part.bytes = stuck
	return nil
}
