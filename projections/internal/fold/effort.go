package fold

import (
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Folded is a committed batch.
type Folded struct {
	// Position is the checkpoint now; Events is how many were folded.
	Position eventlog.Position
	Events   int
	// Took is the time of the whole transaction.
	Took time.Duration
	// Effort is what it came to.
	Effort Effort
}

// Effort is what a batch came to. It grows with the batch, never with the tables: where
// Fanned or Sources is large, a source that many rows join changes often.
type Effort struct {
	// Rows were written because an event concerns them.
	Rows int
	// Sources are the changes that joins of other rows had to look for, one for each join.
	Sources int
	// Fanned rows were written because a row that they join changed.
	Fanned int
	// Late is how many times an event met a deleted row, and changed nothing.
	Late int
	// Unborn is how many times an event changed a row that nobody sees, since no event has
	// created it by the end of the batch.
	Unborn int
}

// count looks at the rows as the batch left them.
func (e *Effort) count(touches []projections.Touch) {
	for i := range touches {
		t := &touches[i]
		switch r := t.Row; {
		case r.State == projections.Unborn:
			e.Unborn++
		case r.State == projections.Deleted && t.Event > r.Touched:
			e.Late++ // its end is the last event that changed it
		}
	}
}
