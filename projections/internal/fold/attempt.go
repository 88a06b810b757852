package fold

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/parking"
)

// What a batch holds back is written down in its transaction.

// attempt is what a batch folds and what it holds.
type attempt struct {
	*parking.Attempt
	// retry, unless nil, is the operator's order that this is an attempt at.
	retry *Retry
}

// attemptAt chooses what of a batch is folded; failing are the faults that former attempts
// at it met.
func attemptAt(set *projections.Set, w *parking.Waiting, b *batch.Batch, failing map[parking.Row]*projections.FoldError) *attempt {
	return &attempt{Attempt: w.Attempt(set, b.Choice(), b.Next, failing)}
}

// rejoin are the rows of a view whose joins failed and are tried again.
func (a *attempt) rejoin(view int) []string {
	if a.retry == nil || a.retry.View != view || !a.Ended() {
		return nil
	}
	return slices.Clone(a.retry.Rows)
}

// EntryOf is a stored entry as parking sees it.
func EntryOf(set *projections.Set, e control.ParkedEvent) parking.Entry {
	return parking.Entry{Event: parking.Event{View: ViewIndex(set, e.View), Key: e.Key, Place: e.Position.Place()}, Stream: e.Stream, State: e.State}
}

// ViewIndex is a view's index in Set.Views, -1 for a name that the set does not have.
func ViewIndex(set *projections.Set, name string) int {
	return slices.IndexFunc(set.Views(), func(m *projections.Model) bool { return m.Name == name })
}

// queue adds to a session what writes down what the batch holds and is not written down yet.
func (a *attempt) queue(s *pipeline.Session, projector string) {
	for _, h := range a.Fresh() {
		attempts := 0
		if a.retry != nil {
			attempts = a.retry.attempts(h.Position.Place(), h.Key)
		}
		state, reason, message, hint := textOf(&h)
		s.Queue(control.ParkSQL, []byte(projector), []byte(h.ViewName), pipeline.Int64(h.Position.Place()), []byte(h.Key), []byte(h.Stream), []byte(h.EventType),
			[]byte(state), []byte(reason), []byte(message), []byte(hint), pipeline.Int32(int32(attempts)))
		for _, d := range marksOf(&h) {
			s.Queue(control.DegradeSQL, []byte(projector), []byte(h.ViewName), []byte(d[0]), []byte(d[1]))
		}
	}
	a.Written()
}

// Park writes down one event that a first build holds.
func Park(ctx context.Context, tx pgx.Tx, projector string, h *parking.Held) error {
	state, reason, message, hint := textOf(h)
	if _, err := tx.Exec(ctx, control.ParkSQL, projector, h.ViewName, h.Position.Place(), h.Key, h.Stream, h.EventType, state, reason, message, hint, 0); err != nil {
		return err
	}
	for _, d := range marksOf(h) {
		if _, err := tx.Exec(ctx, control.DegradeSQL, projector, h.ViewName, d[0], d[1]); err != nil {
			return err
		}
	}
	return nil
}

// textOf is what is stored of why an event is held. No field is nil: that would be NULL.
func textOf(h *parking.Held) (state, reason, message, hint string) {
	if h.Fault == nil {
		return parking.Queued, "", "", ""
	}
	return parking.Parked, h.Fault.Reason, control.FirstLine(h.Fault.Err.Error()), h.Fault.Hint
}

// marksOf are the rows, with the stream where that is why, that readers see as degraded.
func marksOf(h *parking.Held) (marks [][2]string) {
	if h.Key != "" {
		return [][2]string{{h.Key, ""}}
	}
	for _, key := range h.Degraded {
		marks = append(marks, [2]string{key, h.Stream})
	}
	return marks
}

// suspects is how many former events of a stream are asked whose rows they touched.
const suspects = 20

// MarkDegraded finds the rows that an event whose own cannot be read most likely concerns:
// those that the former events of its stream touched. Readers see them as degraded.
func MarkDegraded(ctx context.Context, log Log, set *projections.Set, h *parking.Held) error {
	if h.Key != "" || h.Fault == nil {
		return nil
	}
	former, err := log.Before(ctx, h.Stream, h.Position.Place(), suspects)
	if err != nil {
		return err
	}
	_, touches, _ := set.Prepare(former)
	for _, t := range touches {
		if set.Views()[t.View].Name == h.ViewName {
			h.Degraded = append(h.Degraded, t.Key)
		}
	}
	slices.Sort(h.Degraded)
	h.Degraded = slices.Compact(h.Degraded)
	return nil
}
