package watch

import (
	"context"
	"log/slog"
	"time"
)

// Take brings the differences of one comparison into the state: the first one becomes the
// alarm unless there is one, and an alarm whose row was compared and is equal again ends.
// Each is logged once. compared reports whether the row of an alarm was compared.
func (s *State) Take(ctx context.Context, logger *slog.Logger, projector string, found []Difference, compared func(*Difference) bool, now time.Time) {
	s.Differing += int64(len(found))
	if s.Difference != nil && compared(s.Difference) {
		still := false
		for i := range found {
			if found[i].SameRow(s.Difference) {
				s.Difference, still = &found[i], true
				break
			}
		}
		if !still {
			logger.InfoContext(ctx, "a row that differed is what the log says again", "projector", projector, "row", s.Difference.String(), "differed_since", s.FoundAt)
			s.Difference, s.FoundAt = nil, time.Time{}
		}
	}
	if s.Difference != nil || len(found) == 0 {
		return
	}
	d := found[0]
	s.Difference, s.FoundAt = &d, now
	logger.ErrorContext(ctx, "a row is NOT what the log says", "projector", projector, "view", d.View, "fact", d.Fact, "key", d.Key, "kind", d.Kind,
		"columns", d.Columns, "stored", d.Stored, "expected", d.Expected, "joins", d.Joins, "partition", d.Partition, "place", d.Place)
}

// Finish ends a turn: at place everything was compared.
func (s *State) Finish(now time.Time, place int64) {
	if s.Differing == 0 && s.Difference == nil {
		s.EqualAt, s.EqualPlace = now, place
	}
	s.Next, s.Began, s.Compared, s.Differing = 0, time.Time{}, 0, 0
}

// Restart begins the turn anew, as for a table that was replaced; an alarm stays until its
// row is found equal.
func (s *State) Restart(version, generation int) {
	s.Version, s.Generation = version, generation
	s.Next, s.Began, s.Compared, s.Differing = 0, time.Time{}, 0, 0
}
