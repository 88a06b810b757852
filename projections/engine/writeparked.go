package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
)

// What a batch holds back is written down in its transaction.

// attempt is what a batch folds and what it holds.
type attempt struct {
	*parking.Attempt
	// mending, unless nil, is the operator's order that this is an attempt at.
	mending *mending
}

// attemptAt chooses what of a batch is folded; failing are the faults that former attempts
// at it met.
func attemptAt(set *projections.Set, w *parking.Waiting, b *batch, failing map[parking.Row]*projections.FoldError) *attempt {
	return &attempt{Attempt: w.Attempt(set, b.choice(), b.next, failing)}
}

// choice is the batch as parking sees it.
func (b *batch) choice() parking.Batch {
	return parking.Batch{Events: b.events, Touches: b.touches, Broken: b.broken}
}

// rejoin are the rows of a view whose joins failed and are tried again.
func (a *attempt) rejoin(view int) []string {
	if a.mending == nil || !a.Ended() {
		return nil
	}
	return a.mending.rejoin(view)
}

// entry is a stored entry as parking sees it.
func (e Parked) entry(set *projections.Set) parking.Entry {
	return parking.Entry{Event: parking.Event{View: viewIndex(set, e.View), Key: e.Key, Place: e.Position.Place()}, Stream: e.Stream, State: e.State}
}

// waitingOf is what waits of a projector's entries, and what was discarded for good.
func waitingOf(set *projections.Set, entries []Parked) *parking.Waiting {
	w := parking.New()
	for _, e := range entries {
		w.Add(e.entry(set))
	}
	return w
}

func viewIndex(set *projections.Set, name string) int {
	for i, m := range set.Views() {
		if m.Name == name {
			return i
		}
	}
	return -1
}

const (
	// A build that goes on meets again what it wrote down.
	parkSQL = `insert into readside.parked (projector, view, place, key, stream, event_type, state, reason, error, hint, attempts)
values ($1::text, $2::text, $3::bigint, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text, $10::text, $11::int)
on conflict do nothing`
	degradeSQL = `insert into readside.degraded (projector, view, key, stream) values ($1::text, $2::text, $3::text, $4::text) on conflict do nothing`
)

// queue adds to a session what writes down what the batch holds and is not written down yet.
func (a *attempt) queue(s *hot.Session, projector string) {
	for _, h := range a.Fresh() {
		attempts := 0
		if a.mending != nil {
			attempts = a.mending.attempts(h.Position.Place(), h.Key)
		}
		state, reason, message, hint := textOf(&h)
		s.Queue(parkSQL, []byte(projector), []byte(h.ViewName), hot.Int64(h.Position.Place()), []byte(h.Key), []byte(h.Stream), []byte(h.EventType),
			[]byte(state), []byte(reason), []byte(message), []byte(hint), hot.Int32(int32(attempts)))
		for _, d := range marksOf(&h) {
			s.Queue(degradeSQL, []byte(projector), []byte(h.ViewName), []byte(d[0]), []byte(d[1]))
		}
	}
	a.Written()
}

// insertHeld writes down one event that a first build holds.
func insertHeld(ctx context.Context, tx pgx.Tx, projector string, h *parking.Held) error {
	state, reason, message, hint := textOf(h)
	if _, err := tx.Exec(ctx, parkSQL, projector, h.ViewName, h.Position.Place(), h.Key, h.Stream, h.EventType, state, reason, message, hint, 0); err != nil {
		return err
	}
	for _, d := range marksOf(h) {
		if _, err := tx.Exec(ctx, degradeSQL, projector, h.ViewName, d[0], d[1]); err != nil {
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
	return parking.Parked, h.Fault.Reason, storable(h.Fault.Err.Error()), h.Fault.Hint
}

// marksOf are the rows, with the stream where that is why, that readers are told of.
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

// markDegraded finds the rows that an event whose own cannot be read most likely concerns:
// those that the former events of its stream touched. Readers are told of them.
func markDegraded(ctx context.Context, log history, set *projections.Set, h *parking.Held) error {
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

// maxErrorBytes bounds what is stored of an error's text.
const maxErrorBytes = 2_000

// storable is an error's first line as Postgres takes it.
func storable(message string) string {
	line := strings.ToValidUTF8(strings.ReplaceAll(firstLine(message), "\x00", "\uFFFD"), "\uFFFD")
	if len(line) > maxErrorBytes {
		line = strings.ToValidUTF8(line[:maxErrorBytes], "") + "…"
	}
	return line
}
