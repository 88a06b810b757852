package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/parking"
)

// foldErrors are the faults that folding a batch met: the batch is folded again
// without the touches that failed, which are parked.
type foldErrors []*projections.FoldError

func (f foldErrors) Error() string {
	return fmt.Sprintf("%d rows cannot be folded, the first: %v", len(f), f[0])
}

// note adds faults to those that an attempt is to park. It fails where it would park a
// row for the same event again, which would go on for ever.
func (t *turn) note(failing map[parking.Row]*projections.FoldError, faults foldErrors) error {
	for _, fault := range faults {
		r := parking.Row{View: viewIndex(t.of.cfg.Set, fault.View), Key: fault.Key}
		if former := failing[r]; former != nil && former.Position == fault.Position {
			return fmt.Errorf("view %s, key %q fails though its event is parked: %w", fault.View, fault.Key, fault)
		}
		failing[r] = fault
	}
	return nil
}

// errAgain is returned when what is parked has changed under the folding ahead.
var errAgain = errors.New("events were parked")

// foldAround folds a batch without what fails in it, and parks that.
func (t *turn) foldAround(ctx context.Context, b *batch, faults foldErrors) error {
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

// foldAttempt folds what an attempt leaves of its batch, unless too much would wait.
func (t *turn) foldAttempt(ctx context.Context, f *folding) error {
	if fault := t.parking.Over(f.attempt.Held, t.of.cfg.ParkedMax); fault != nil {
		return fault
	}
	fresh := f.attempt.Fresh()
	for i := range fresh {
		if err := markDegraded(ctx, t.log, t.of.cfg.Set, &fresh[i]); err != nil {
			return err
		}
	}
	return f.fold(ctx)
}

// tell says what was parked, once for each event that failed.
func (p *Projector) tell(ctx context.Context, a *attempt) {
	for _, h := range a.Held {
		if h.Fault == nil {
			continue
		}
		p.cfg.Logger.ErrorContext(ctx, "event PARKED", "projector", p.name, "view", h.ViewName, "key", h.Key, "position", h.Position.String(),
			"place", h.Position.Place(), "type", h.EventType, "stream", h.Stream, "reason", h.Fault.Reason, "error", storable(h.Fault.Err.Error()), "hint", h.Fault.Hint)
		if p.cfg.Observer.Parked != nil {
			p.cfg.Observer.Parked(h.Fault)
		}
	}
}
