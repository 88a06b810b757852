// Package finished is what a private fold hands out: rows that are joined and encoded, slice
// by slice, and the memory that they are made in, which is used again.
package finished

import (
	"slices"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

// Row is a finished row: joined, encoded, whatever its state.
type Row struct {
	Key   string
	State projections.State
	Image hot.Image
	// Joinless reports whether the row's joins failed, and its joined columns are empty.
	Joinless bool
}

// Slice is one part of a view, finished.
type Slice struct {
	View *projections.Model
	// Number is which of Of slices it is.
	Number, Of int
	// Rows are those to hand out, in no order.
	Rows []Row
	// Sources are the live rows that the fold's Sources will be asked for, since they are not
	// held in memory: for callers that do not store Rows. Nil where nothing will be asked.
	Sources []Row

	memory *memory
	spare  *Spare
}

// New returns a slice without rows, in spare memory.
func (s *Spare) New(view *projections.Model, number, of int) Slice {
	return Slice{View: view, Number: number, Of: of, memory: s.take(), spare: s}
}

// Blocks returns where the images of the slice's rows go.
func (s *Slice) Blocks() *hot.Blocks { return &s.memory.images }

// Grow makes room for rows.
func (s *Slice) Grow(rows int) { s.Rows = slices.Grow(s.memory.rows[:0], rows) }

// Seal ends the slice: Free gives back the memory of the rows that it has now.
func (s *Slice) Seal() { s.memory.rows = s.Rows }

// Free gives the memory of Rows and Sources, of the structs and of the images, back for
// slices to come. Nobody may use any of that afterwards; a caller that keeps some does not
// call it.
func (s *Slice) Free() { s.spare.give(s.memory) }

// ImageBytes returns what the images take; most rows stand in both Rows and Sources, if in
// any, with one image.
func (s *Slice) ImageBytes() int64 {
	size := func(rows []Row) (n int64) {
		for i := range rows {
			n += int64(len(rows[i].Image.Bytes()))
		}
		return n
	}
	return max(size(s.Rows), size(s.Sources))
}
