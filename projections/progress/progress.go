// Package progress is how far a private fold is: what a first build, a rebuild and a
// verification report while they fold the log.
package progress

// The phases of a fold.
const (
	Reading = "reading"
	Rows    = "rows"
)

// Fold is how far a fold is.
type Fold struct {
	// Phase is Reading or Rows.
	Phase string
	// Place of Until have been read; Events counts those that a view handles.
	Place, Until, Events int64
	// View and Slice of Slices were handed out last; HandedOut counts the slices of all
	// views, Parts is how many there are to hand out.
	View          string
	Slice, Slices int
	HandedOut     int
	Parts         int
	// Rows counts the rows handed out, Spilled the bytes that did not fit into memory.
	Rows, Spilled int64
}
