package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A rebuild's rows are worth something as long as all of them were folded by the same
// code, and without the events that were given up. It notes both when it begins: its
// program, and, as entries of its own, what the projector has given up by then. What
// has changed since shows in a comparison, whatever was cut off or came in between.

// ErrSourceWaits is returned when a view is not built anew because events wait in one that
// it joins: the rebuild's own copy of that one would have them, or other rows.
var ErrSourceWaits = errors.New("retry or discard first what is parked of it")

// errStale is returned when a rebuild has to begin anew.
var errStale = errors.New("what was rebuilt so far is of no use")

// openShadow notes what a rebuild begins with, or compares it where one goes on.
func (w *worker) openShadow(ctx context.Context) error {
	program := w.cfg.Program
	if program == "" {
		program = executable()
	}
	return pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		var epoch int64
		var by string
		var begun bool
		err := tx.QueryRow(ctx, `select epoch, program, exists (select from readside.views where projector = name) from readside.projectors where name = $1`+forChange,
			w.name).Scan(&epoch, &by, &begun)
		switch {
		case err != nil:
			return err
		case epoch != w.lease.epoch:
			return errFenced
		case !begun:
			return w.beginShadow(ctx, tx, program)
		case by != program:
			return fmt.Errorf("%w: another program began it", errStale)
		}
		return nil
	})
}

// beginShadow runs before the first table is made: nothing is folded yet.
func (w *worker) beginShadow(ctx context.Context, tx pgx.Tx, program string) error {
	if _, err := tx.Exec(ctx, `update readside.projectors set program = $2 where name = $1`, w.name, program); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from readside.parked where projector = $1`, w.name); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `insert into readside.parked (projector, view, place, key, stream, event_type, state, reason, error, hint, attempts, parked_at)
select $1, view, place, key, stream, event_type, state, reason, error, hint, attempts, parked_at
  from readside.parked where projector = $2 and state = 'discarded' and view = any($3)`, w.name, w.rebuilds, w.viewNames())
	return err
}

func (p *Projector) viewNames() []string {
	views := make([]string, len(p.layouts))
	for i, l := range p.layouts {
		views[i] = l.Model.Name
	}
	return views
}

// fits says, under the lock of the projector's row, that the rebuild leaves out the
// events that the projector leaves out, and no others but those of the view itself.
func (r *rebuild) fits(ctx context.Context, tx pgx.Tx) error {
	if err := r.joinedWait(ctx, tx); err != nil {
		return err
	}
	var differ bool
	err := tx.QueryRow(ctx, `select exists (select from readside.parked where projector in ($1, $2) and state = 'discarded' and view = any($3)
 group by view, place, key having count(*) <> 2)`, r.main.name, r.shadow.name, r.shadow.viewNames()).Scan(&differ)
	if err != nil {
		return err
	}
	if differ {
		return fmt.Errorf("%w: events were given up meanwhile", errStale)
	}
	view, waiting, err := r.waiting(ctx, tx, r.shadow.name)
	if err == nil && waiting > 0 {
		err = fmt.Errorf("%w: %s of view %s, which it joins, could not be folded, and the projector has", errStale, events(waiting), view)
	}
	return err
}

// joinedWait refuses while events of a joined view wait: the rebuild would fold them
// with other code than that view's own rows were folded with, and nothing would bring
// the new rows and those together again.
func (r *rebuild) joinedWait(ctx context.Context, q rower) error {
	view, waiting, err := r.waiting(ctx, q, r.main.name)
	if err != nil || waiting == 0 {
		return err
	}
	verb := "wait"
	if waiting == 1 {
		verb = "waits"
	}
	return fmt.Errorf("view %s, which it joins, has %s that %s: %w", view, events(waiting), verb, ErrSourceWaits)
}

// waiting finds a joined view of which a projector has events that wait.
func (r *rebuild) waiting(ctx context.Context, q rower, projector string) (view string, n int, err error) {
	var joined []string
	for _, m := range r.main.cfg.Set.With(r.model).Views() {
		if m.Name != r.model.Name {
			joined = append(joined, m.Name)
		}
	}
	err = q.QueryRow(ctx, `select view, count(*) from readside.parked where projector = $1 and state <> 'discarded' and view = any($2) group by view order by view limit 1`,
		projector, joined).Scan(&view, &n)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("find what waits in joined views: %w", explain(err))
	}
	return view, n, nil
}

func events(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}
