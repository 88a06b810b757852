package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/readside/readside/projections"
)

// foldErrors are the faults that folding a batch met: the batch is folded again
// without the touches that failed, which are parked.
type foldErrors []*projections.FoldError

func (f foldErrors) Error() string {
	return fmt.Sprintf("%d rows cannot be folded, the first: %v", len(f), f[0])
}

// note adds faults to those that an attempt is to park. It fails where it would park a
// row for the same event again, which would go on for ever.
func (t *turn) note(failing map[row]*projections.FoldError, faults foldErrors) error {
	for _, fault := range faults {
		r := row{viewIndex(t.of.cfg.Set, fault.View), fault.Key}
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
	failing := map[row]*projections.FoldError{}
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
	if fault := t.parking.over(f.attempt.held, t.of.cfg.ParkedMax); fault != nil {
		return fault
	}
	fresh := f.attempt.fresh()
	for i := range fresh {
		if err := fresh[i].mark(ctx, t.log, t.of.cfg.Set); err != nil {
			return err
		}
	}
	return f.fold(ctx)
}

// tell says what was parked, once for each event that failed.
func (p *Projector) tell(ctx context.Context, a *attempt) {
	for _, h := range a.held {
		if h.fault == nil {
			continue
		}
		p.cfg.Logger.ErrorContext(ctx, "event PARKED", "projector", p.name, "view", h.viewName, "key", h.key, "position", h.position.String(),
			"place", h.position.Place(), "type", h.eventType, "stream", h.stream, "reason", h.fault.Reason, "error", storable(h.fault.Err.Error()), "hint", h.fault.Hint)
		if p.cfg.Observer.Parked != nil {
			p.cfg.Observer.Parked(h.fault)
		}
	}
}
