package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
	"github.com/readside/readside/projections/replay"
)

// RebuiltKey is what mending one row did.
type RebuiltKey struct {
	View     string            `json:"view"`
	Key      string            `json:"key"`
	Position eventlog.Position `json:"position"`
	// Repaired is how the row differed; nil where it was right.
	Repaired *Difference `json:"repaired,omitempty"`
	// Unknown reports whether no event names the row, and none was stored.
	Unknown bool `json:"unknown,omitempty"`
}

// RebuildKey folds one row anew from the log and puts it in the place of what is
// stored, with all that is joined from it. The log is read before the projector has to
// wait: that only waits for what came meanwhile.
func (p *Projector) RebuildKey(ctx context.Context, view, key string) (RebuiltKey, error) {
	i := viewIndex(p.cfg.Set, view)
	if i < 0 {
		return RebuiltKey{}, unknownView(p.cfg.Set, view)
	}
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Postgres)
	if err != nil {
		return RebuiltKey{}, fmt.Errorf("rebuild row %q of view %s: %w", key, view, err)
	}
	defer closeConn(conn)
	r := &rowRebuild{worker: p.newGuest(ctx, conn), view: i, key: key}
	for range maxRowTries {
		d, err := r.run(ctx)
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return RebuiltKey{}, fmt.Errorf("rebuild row %q of view %s: %w", key, view, err)
		}
		return RebuiltKey{View: view, Key: key, Position: r.at, Repaired: d, Unknown: d == nil && !r.named.Load()}, nil
	}
	return RebuiltKey{}, fmt.Errorf("rebuild row %q of view %s: what is parked of it was retried or discarded %d times meanwhile: try again", key, view, maxRowTries)
}

// maxRowTries bounds how often a row is folded anew because somebody retried or
// discarded what waits for it meanwhile.
const maxRowTries = 10

// rowRebuild folds one row.
type rowRebuild struct {
	*worker
	view int
	key  string
	// named reports whether an event names the row, though it may be parked or discarded.
	named atomic.Bool
}

func (r *rowRebuild) run(ctx context.Context) (d *Difference, err error) {
	if err := r.lookAsGuest(ctx, ""); err != nil {
		return nil, err
	}
	held := r.held(r.at)
	row, err := r.replay(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && !r.conn.IsClosed() {
			_, _ = r.conn.Exec(ctx, "rollback")
		}
	}()
	from := r.at
	if err := r.lockAsGuest(ctx); err != nil {
		return nil, err
	}
	if r.at.Place() < from.Place() || !maps.Equal(held, r.held(from)) {
		return nil, errMoved
	}
	if d, err = r.replace(ctx, row, from); err != nil {
		return nil, err
	}
	_, err = r.conn.Exec(ctx, "commit")
	return d, err
}

// held are the events up to a checkpoint that are not in the row.
func (r *rowRebuild) held(until eventlog.Position) map[parking.Event]bool {
	return r.parking.HeldOf(parking.Row{View: r.view, Key: r.key}, until.Place())
}

// replay folds the row from the log.
func (r *rowRebuild) replay(ctx context.Context) (*projections.Row, error) {
	rows, err := replay.Keys(ctx, replay.Config{
		Log: r.cfg.Log, Set: r.cfg.Set.With(r.model()), Until: r.at,
		Skip: func(view *projections.Model, key, _ string, place int64) bool {
			if view.Name == r.model().Name && key == r.key {
				r.named.Store(true)
			}
			return r.parking.Holds(parking.Event{View: viewIndex(r.cfg.Set, view.Name), Key: key, Place: place})
		},
	}, r.model().Name, []string{r.key})
	if err != nil {
		return nil, err
	}
	if folded, ok := rows[r.key]; ok {
		return r.tables[r.view].Row(folded.Image)
	}
	return r.model().NewRow(r.key), nil
}

func (r *rowRebuild) model() *projections.Model { return r.cfg.Set.Views()[r.view] }

// replace brings the row to the projector's checkpoint, under its lock, and writes it
// where it differs.
func (r *rowRebuild) replace(ctx context.Context, row *projections.Row, from eventlog.Position) (*Difference, error) {
	if err := r.foldOn(ctx, row, from); err != nil {
		return nil, err
	}
	f := newFolding(r.cfg.Set, r.cache, r.session, r.session, &batch{from: r.at, next: r.at}, &attempt{Attempt: r.parking.Begin(nil)})
	view := f.views[r.view]
	e, _ := r.cache.use(view.cachedView, r.key)
	*e.Row = *row
	if err := r.join(ctx, f, view, e); err != nil {
		return nil, err
	}
	return r.write(ctx, f, view, e)
}

// foldOn folds what came to the log since the row was folded from it, page by page: a
// busy projector may have gone far. Only what is parked is left out: the row's events
// before that are in it, and after a retry those behind it, too.
func (r *rowRebuild) foldOn(ctx context.Context, row *projections.Row, from eventlog.Position) error {
	r.model().Unjoin(row)
	q := eventlog.Query{Types: r.cfg.Set.ViewTypes(), Limit: r.cfg.BatchEvents, Until: r.at}
	return r.cfg.Log.Follow(ctx, from, q, func(_ context.Context, page eventlog.Page) error {
		events, touches, _ := r.cfg.Set.Prepare(page.Events)
		var own []projections.Touch
		for _, t := range touches {
			if t.View != r.view || t.Key != r.key {
				continue
			}
			r.named.Store(true)
			if !r.parking.Holds(parking.Event{View: r.view, Key: r.key, Place: events[t.Event].Meta.Position.Place()}) {
				t.Row = row
				own = append(own, t)
			}
		}
		if faults := r.cfg.Set.FoldAll(nil, own, events); len(faults) > 0 {
			return faults[0]
		}
		return nil
	})
}

// join computes the joined columns and the image from the tables, which stand at the
// same checkpoint.
func (r *rowRebuild) join(ctx context.Context, f *folding, view *viewWork, e *cached) (err error) {
	if err := f.loadSources(ctx, view, []*cached{e}); err != nil {
		return err
	}
	if e.State == projections.Live {
		if err := r.model().Join(e.Row, f.source); err != nil {
			return err
		}
	}
	e.Image, err = view.table.Encode(e.Row)
	return err
}

// write puts the row in place, and brings it to the rows that join it.
func (r *rowRebuild) write(ctx context.Context, f *folding, view *viewWork, e *cached) (*Difference, error) {
	stored, err := view.table.Images(ctx, r.conn, []string{r.key})
	if err != nil {
		return nil, err
	}
	folded := e.Image
	if e.State == projections.Absent {
		folded = hot.Image{}
	}
	d := rowDifference(view.table, r.key, stored[r.key], folded)
	if d == nil {
		return nil, nil
	}
	view.table.Replace(f.out, r.key, folded)
	if err := f.out.Flush(ctx); err != nil {
		return nil, err
	}
	view.noteChange(e.Row, hot.Change{Old: stored[r.key], New: e.Image})
	return d, r.spread(ctx, r.view, view.changed)
}
