package fold

import (
	"context"
	"errors"
	"fmt"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/parking"
)

// Faults are what folding a batch met: the batch is folded again without the touches that
// failed, which are parked.
type Faults []*projections.FoldError

func (f Faults) Error() string {
	return fmt.Sprintf("%d rows cannot be folded, the first: %v", len(f), f[0])
}

// ErrAgain is returned when what is parked has changed under the folding ahead.
var ErrAgain = errors.New("events were parked")

// afterFault handles the error of a batch that was not committed; nil is none.
func (t *Turn) afterFault(ctx context.Context, f *Folding, err error) error {
	var faults Faults
	var fault *projections.FoldError
	switch {
	case errors.As(err, &faults):
		t.StopAhead()
		if err = t.foldAround(ctx, f.batch, faults); err == nil && f.ahead() {
			return ErrAgain
		}
	case errors.As(err, &fault):
		t.StopAhead()
	}
	return err
}

// rollback ends a failed transaction. Where the connection is gone, so is the
// transaction. The cache of batches folded ahead belongs to another goroutine.
func (t *Turn) rollback(ctx context.Context, f *Folding) {
	t.writer.Discard()
	if !f.ahead() {
		t.cache.Drop()
	}
	_ = t.writer.Exec(ctx, "rollback")
}

// note adds faults to those that an attempt is to park. It fails where it would park a
// row for the same event again, without end.
func (t *Turn) note(failing map[parking.Row]*projections.FoldError, faults Faults) error {
	for _, fault := range faults {
		r := parking.Row{View: ViewIndex(t.cfg.Set, fault.View), Key: fault.Key}
		if former := failing[r]; former != nil && former.Position == fault.Position {
			return fmt.Errorf("view %s, key %q fails though its event is parked: %w", fault.View, fault.Key, fault)
		}
		failing[r] = fault
	}
	return nil
}

// foldAround folds a batch without what fails in it, and parks that.
func (t *Turn) foldAround(ctx context.Context, b *batch.Batch, faults Faults) error {
	failing := map[parking.Row]*projections.FoldError{}
	for {
		if err := t.note(failing, faults); err != nil {
			return err
		}
		again, err := t.readBatch(ctx, b)
		if err != nil {
			return err
		}
		f := t.folding(again, failing)
		f.again = t.log.At
		err = t.commit(ctx, f)
		if !errors.As(err, &faults) {
			return err
		}
	}
}

// readBatch reads a batch again, and decodes it once more: what handlers keep of an event
// they may have changed already.
func (t *Turn) readBatch(ctx context.Context, b *batch.Batch) (*batch.Batch, error) {
	again := &batch.Batch{From: b.From, Next: b.From}
	q := eventlog.Query{Types: t.cfg.Set.ViewTypes(), Limit: t.cfg.BatchEvents, Until: b.Next}
	err := t.log.Follow(ctx, b.From, q, func(_ context.Context, page eventlog.Page) error {
		again = again.With(batch.New(t.cfg.Set, again.Next, page))
		return nil
	})
	again.CaughtUp = b.CaughtUp
	return again, err
}

// foldAttempt folds what an attempt leaves of its batch, unless too much would wait.
func (t *Turn) foldAttempt(ctx context.Context, f *Folding) error {
	if fault := t.parking.Over(f.attempt.Held, t.cfg.ParkedMax); fault != nil {
		return fault
	}
	fresh := f.attempt.Fresh()
	for i := range fresh {
		if err := MarkDegraded(ctx, t.log, t.cfg.Set, &fresh[i]); err != nil {
			return err
		}
	}
	return f.fold(ctx)
}

// logParked logs what was parked, once for each event that failed.
func (t *Turn) logParked(ctx context.Context, a *attempt) {
	for _, h := range a.Held {
		if h.Fault == nil {
			continue
		}
		t.cfg.Logger.ErrorContext(ctx, "event PARKED", "projector", t.cfg.Projector, "view", h.ViewName, "key", h.Key, "position", h.Position.String(),
			"place", h.Position.Place(), "type", h.EventType, "stream", h.Stream, "reason", h.Fault.Reason, "error", control.FirstLine(h.Fault.Err.Error()), "hint", h.Fault.Hint)
		if t.cfg.Parked != nil {
			t.cfg.Parked(h.Fault)
		}
	}
}
