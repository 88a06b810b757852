package fold

import (
	"context"
	"errors"
	"slices"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/cache"
	"github.com/readside/readside/projections/parking"
)

// That a row cannot be joined, or holds a value that cannot be stored, is found at the
// batch's end, and an event may have repaired what another one broke. So the event to
// blame is the first of those after which the row cannot be written up to the end, with
// its sources as they are at the end: it and what follows wait.

// suspect is a row that cannot be written, on its way through the batch again.
type suspect struct {
	row *projections.Row
	// fault is the first of those after which the row could not be written up to here.
	fault *projections.FoldError
	// touched reports whether the event at hand touches the row.
	touched bool
}

// blame finds for rows that cannot be written the events to blame, in one pass over
// their events, from the rows as they were before the batch. Without again, faults name
// the last events that touched the rows.
func (f *Folding) blame(ctx context.Context, v *view, faults Faults) error {
	if f.again == nil {
		return faults
	}
	b, err := f.eventsOf(ctx, v, faults)
	if err != nil {
		return err
	}
	suspects := map[string]*suspect{}
	for _, fault := range faults {
		row := v.Model.NewRow(fault.Key)
		if img := v.Rows[fault.Key].Image; !img.IsZero() {
			if row, err = v.Table.Row(img); err != nil {
				return err
			}
			v.Model.Unjoin(row)
		}
		suspects[fault.Key] = &suspect{row: row}
	}
	for len(b.Touches) > 0 {
		n := slices.IndexFunc(b.Touches, func(t projections.Touch) bool { return t.Event != b.Touches[0].Event })
		if n < 0 {
			n = len(b.Touches)
		}
		if err := f.foldSuspects(ctx, v, suspects, b, b.Touches[:n]); err != nil {
			return err
		}
		b.Touches = b.Touches[n:]
	}
	for i, fault := range faults {
		if first := suspects[fault.Key].fault; first != nil {
			faults[i] = first
		}
	}
	return faults
}

// eventsOf decodes again the events that touch the rows of faults, with those touches:
// what handlers keep of an event they may have changed already.
func (f *Folding) eventsOf(ctx context.Context, v *view, faults Faults) (*batch.Batch, error) {
	failed := map[string]bool{}
	for _, fault := range faults {
		failed[fault.Key] = true
	}
	wanted := map[parking.Event]bool{}
	var places []int64
	for _, t := range f.attempt.Touches {
		if t.View != v.Index || !failed[t.Key] {
			continue
		}
		place := f.batch.Events[t.Event].Meta.Position.Place()
		wanted[parking.Event{View: t.View, Key: t.Key, Place: place}] = true
		places = append(places, place)
	}
	out := &batch.Batch{}
	for chunk := range slices.Chunk(slices.Compact(places), batch.DefaultEvents) {
		stored, err := f.again(ctx, chunk)
		if err != nil {
			return nil, err
		}
		events, touches, _ := f.set.Prepare(stored)
		touches = slices.DeleteFunc(touches, func(t projections.Touch) bool {
			return !wanted[parking.Event{View: t.View, Key: t.Key, Place: events[t.Event].Meta.Position.Place()}]
		})
		out = out.With(&batch.Batch{Events: events, Touches: touches})
	}
	return out, nil
}

// foldSuspects folds one event into the rows that it touches, and tries to write them.
func (f *Folding) foldSuspects(ctx context.Context, v *view, suspects map[string]*suspect, b *batch.Batch, touches []projections.Touch) error {
	var tried []*suspect
	for i := range touches {
		s := suspects[touches[i].Key]
		touches[i].Row = s.row
		if faults := f.set.FoldAll(nil, touches[i:i+1], b.Events); len(faults) > 0 {
			return Faults(faults)
		}
		if !s.touched {
			s.touched = true
			tried = append(tried, s)
		}
	}
	at := f.indexOf(&b.Events[touches[0].Event])
	for _, s := range tried {
		s.touched = false
		if err := f.trySuspect(ctx, v, s, at); err != nil {
			return err
		}
	}
	return nil
}

// indexOf is an event's index in the batch.
func (f *Folding) indexOf(e *projections.Event) int {
	i, _ := slices.BinarySearchFunc(f.batch.Events, e.Meta.Position.Place(), func(e projections.Event, place int64) int {
		return int(e.Meta.Position.Place() - place)
	})
	return i
}

// trySuspect joins and encodes a copy of the row as the batch's event at leaves it.
func (f *Folding) trySuspect(ctx context.Context, v *view, s *suspect, at int) error {
	try := &cache.Row{View: v.View, Stored: hot.Stored{
		Row: &projections.Row{Key: s.row.Key, State: s.row.State, Value: v.Model.Clone(s.row.Value), Touched: at},
	}}
	if err := f.loadSources(ctx, v, []*cache.Row{try}); err != nil {
		return err
	}
	_, err := f.changeRow(v, &try.Stored)
	var fault *projections.FoldError
	switch {
	case err == nil:
		s.fault = nil
	case !errors.As(err, &fault):
		return err
	case s.fault == nil:
		s.fault = fault
	}
	return nil
}
