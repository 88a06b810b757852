package hot

import (
	"bytes"

	"github.com/readside/readside/internal/hot/image"
	"github.com/readside/readside/projections"
)

// Change is a row that was Old and becomes New; Old is zero for a new row.
type Change struct {
	Old, New Image

	// unknown are columns in which Old may not be what the table has, and which are
	// not compared; written are those of them that are written in any case.
	unknown, written image.Columns
	// kept reports whether New took the unknown columns over from Old.
	kept bool
	// columns is the set of those to be written, once it is known.
	columns  image.Columns
	compared bool
}

// Changed reports whether anything is to be written.
func (c Change) Changed() bool { return c.Old.IsZero() || c.set() != 0 }

// set is the columns to be written into a row that is there.
func (c Change) set() image.Columns {
	if c.compared {
		return c.columns
	}
	return image.Differing(c.Old, c.New)&^c.unknown | c.written
}

// Change compares a row with what was stored of it. What copies filled in Old may be
// out of date, since a changed source is brought to the rows by one UPDATE that tells
// nobody which. It need not be known: in the table a copied column is always what
// the row's source had before this batch. So it changes if the row copies from
// another source now, or if the source changed in this batch, which changed says.
// kept reports whether New took its copied columns over from Old.
func (l *Layout) Change(old, now Image, kept bool, changed func(j *projections.JoinModel, key string) bool) Change {
	c := l.joined(Change{Old: old, New: now}, kept, changed)
	if !old.IsZero() {
		c.columns, c.compared = c.set(), true
	}
	return c
}

func (l *Layout) joined(c Change, kept bool, changed func(j *projections.JoinModel, key string) bool) Change {
	old, now := c.Old, c.New
	// The joined columns of a row that does not live are zero, in the table as in Old.
	if len(l.copies) == 0 || old.IsZero() || l.stateOf(old) != projections.Live {
		return c
	}
	c.unknown, c.kept = l.copied, kept
	if l.stateOf(now) != projections.Live {
		c.written = l.copied
		return c
	}
	for _, j := range l.copies {
		if !bytes.Equal(old.Cell(j.On), now.Cell(j.On)) || changed(j, string(now.Value(j.On))) {
			c.written |= pairSet(j)
		}
	}
	return c
}

// SameSources reports whether row r copies from the same sources as when old was made, so
// that none of its copied columns changes but by a change of a source.
func (l *Layout) SameSources(old Image, r *projections.Row) bool {
	if old.IsZero() || l.stateOf(old) != projections.Live || r.State != projections.Live {
		return false
	}
	for _, j := range l.copies {
		if string(old.Value(j.On)) != j.KeyIn(l.Model, r) {
			return false
		}
	}
	return true
}

func (l *Layout) stateOf(img Image) projections.State {
	return projections.State(be.Uint16(img.Value(l.state)))
}

// pairSet is the columns that a copy fills.
func pairSet(j *projections.JoinModel) (s image.Columns) {
	for _, p := range j.Pairs {
		s |= 1 << p.To
	}
	return s
}
