// Package image is a row as it is stored: its columns in binary form, in one piece of memory.
// The same bytes are what COPY takes, what arrays are made of and what two states of a row are
// compared by.
package image

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/readside/readside/internal/hot/cell"
)

var be = binary.BigEndian

// Image is a row as it is stored: every column of its table in binary form, each
// with its length in front. An Image does not change once it is made.
type Image struct {
	cells []byte
	ends  []int32
}

// IsZero reports whether there is no row.
func (i Image) IsZero() bool { return len(i.ends) == 0 }

// Cell is a column with its length.
func (i Image) Cell(column int) []byte {
	start := int32(0)
	if column > 0 {
		start = i.ends[column-1]
	}
	return i.cells[start:i.ends[column]]
}

// Value is a column's bytes, nil for NULL.
func (i Image) Value(column int) []byte {
	c := i.Cell(column)
	if be.Uint32(c) == cell.Null {
		return nil
	}
	return c[4:]
}

// Columns is a set of a table's columns.
type Columns uint64

// MaxColumns is what fits into Columns. The highest bit is the caller's.
const MaxColumns = 63

// Has reports whether a column is in the set.
func (s Columns) Has(column int) bool { return s&(1<<column) != 0 }

// Differing is the set of the columns in which two images differ.
func Differing(a, b Image) Columns {
	if bytes.Equal(a.cells, b.cells) {
		return 0
	}
	var s Columns
	for c := range a.ends {
		if !bytes.Equal(a.Cell(c), b.Cell(c)) {
			s |= 1 << c
		}
	}
	return s
}

// Of puts the raw values of a query's row together; nil is NULL.
func Of(values [][]byte) Image {
	n := 0
	for _, v := range values {
		n += 4 + len(v)
	}
	img := Image{cells: make([]byte, 0, n), ends: make([]int32, len(values))}
	for i, v := range values {
		img.cells = appendCell(img.cells, v)
		img.ends[i] = int32(len(img.cells))
	}
	return img
}

// AppendCells appends the Bytes of the image of a query's row.
func AppendCells(buf []byte, values [][]byte) []byte {
	for _, v := range values {
		buf = appendCell(buf, v)
	}
	return buf
}

func appendCell(buf, v []byte) []byte {
	if v == nil {
		return be.AppendUint32(buf, cell.Null)
	}
	return append(be.AppendUint32(buf, uint32(len(v))), v...)
}

// New returns the image of cells, each of which ends where ends names it. They are the image's
// from now on.
func New(cells []byte, ends []int32) Image { return Image{cells: cells, ends: ends} }

// Bytes are the image's cells. They must not be changed.
func (i Image) Bytes() []byte { return i.cells }

// Ends are where its columns end in Bytes. They must not be changed.
func (i Image) Ends() []int32 { return i.ends }

// ErrTruncated is returned when cells end before the last one is whole.
var ErrTruncated = errors.New("a stored row ends before its last column")

// First is the value of the first cell in data, nil for NULL, and the cell's length.
func First(data []byte) (value []byte, n int, err error) {
	if len(data) < 4 {
		return nil, 0, ErrTruncated
	}
	length := be.Uint32(data)
	if length == cell.Null {
		return nil, 4, nil
	}
	n = 4 + int(length)
	if len(data) < n {
		return nil, 0, ErrTruncated
	}
	return data[4:n:n], n, nil
}
