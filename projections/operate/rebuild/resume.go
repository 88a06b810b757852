package rebuild

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/own"
)

// ErrSourceWaits is returned when a view is not rebuilt because events wait in one that
// it joins: the rebuild's own copy of that one would have them, or other rows.
var ErrSourceWaits = errors.New("retry or discard first what is parked of it")

// fits reports, under the lock of the projector's row, whether the rebuild leaves out the
// events that the projector leaves out, and no others but those of the view itself.
func (r *rebuild) fits(ctx context.Context, tx pgx.Tx) error {
	if err := r.joinedWait(ctx, tx); err != nil {
		return err
	}
	alike, err := r.part.Projector.DiscardedAlike(ctx, tx, r.part.ViewNames())
	if err != nil {
		return err
	}
	if !alike {
		return fmt.Errorf("%w: events were discarded meanwhile", own.ErrStale)
	}
	view, waiting, err := r.waiting(ctx, tx, r.part.Projector.Name)
	if err == nil && waiting > 0 {
		err = fmt.Errorf("%w: %s of view %s, which it joins, could not be folded, and the projector has", own.ErrStale, countOf(waiting), view)
	}
	return err
}

// joinedWait refuses while events of a joined view wait: the rebuild would fold them
// with other code than that view's own rows were folded with, and nothing would bring
// the new rows and those together again.
func (r *rebuild) joinedWait(ctx context.Context, q control.Rower) error {
	view, waiting, err := r.waiting(ctx, q, r.main.Projector.Name)
	if err != nil || waiting == 0 {
		return err
	}
	verb := "wait"
	if waiting == 1 {
		verb = "waits"
	}
	return fmt.Errorf("view %s, which it joins, has %s that %s: %w", view, countOf(waiting), verb, ErrSourceWaits)
}

// waiting finds a joined view of which a projector has events that wait.
func (r *rebuild) waiting(ctx context.Context, q control.Rower, projector string) (view string, n int, err error) {
	var joined []string
	for _, m := range r.main.Set.With(r.model).Views() {
		if m.Name != r.model.Name {
			joined = append(joined, m.Name)
		}
	}
	return control.FirstWaiting(ctx, q, projector, joined)
}

func countOf(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}
