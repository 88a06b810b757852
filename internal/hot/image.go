package hot

import (
	"bytes"
)

// Image is a row as it is stored: every column of its Layout in binary form, each
// with its length in front. An Image does not change once it is made.
type Image struct {
	cells []byte
	ends  []int32
}

// IsZero reports whether there is no row.
func (i Image) IsZero() bool { return len(i.ends) == 0 }

// cell is a column with its length.
func (i Image) cell(column int) []byte {
	start := int32(0)
	if column > 0 {
		start = i.ends[column-1]
	}
	return i.cells[start:i.ends[column]]
}

// value is a column's bytes, nil for NULL.
func (i Image) value(column int) []byte {
	c := i.cell(column)
	if be.Uint32(c) == nullLength {
		return nil
	}
	return c[4:]
}

// columnSet is a set of a layout's columns.
type columnSet uint64

// maxColumns is what fits into a columnSet.
// The highest bit is kept for Table's own use.
const maxColumns = 63

func (s columnSet) has(column int) bool { return s&(1<<column) != 0 }

// differing is the set of the columns in which two images differ.
func differing(a, b Image) columnSet {
	if bytes.Equal(a.cells, b.cells) {
		return 0
	}
	var s columnSet
	for c := range a.ends {
		if !bytes.Equal(a.cell(c), b.cell(c)) {
			s |= 1 << c
		}
	}
	return s
}
