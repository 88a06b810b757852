package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/replay"
)

// RebuiltKey is what mending one row did.
type RebuiltKey struct {
	View     string            `json:"view"`
	Key      string            `json:"key"`
	Position eventlog.Position `json:"position"`
	// Repaired is how the row differed; nil where it was right.
	Repaired *Difference `json:"repaired,omitempty"`
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
	r := &rowRebuild{Projector: p, conn: conn, view: i, key: key}
	for range maxMendTries {
		d, err := r.run(ctx)
		if errors.Is(err, errFenced) {
			continue // the projector changed hands meanwhile
		}
		if err != nil {
			return RebuiltKey{}, fmt.Errorf("rebuild row %q of view %s: %w", key, view, err)
		}
		return RebuiltKey{View: view, Key: key, Position: r.worker.at, Repaired: d}, nil
	}
	return RebuiltKey{}, fmt.Errorf("rebuild row %q of view %s: the projector changed hands %d times meanwhile: try again", key, view, maxMendTries)
}

// rowRebuild folds one row.
type rowRebuild struct {
	*Projector
	conn   *pgx.Conn
	view   int
	key    string
	worker *worker
}

func (r *rowRebuild) run(ctx context.Context) (d *Difference, err error) {
	if r.worker, err = r.newGuest(ctx, r.conn); err != nil {
		return nil, err
	}
	w := r.worker
	rows, err := replay.Keys(ctx, replay.Config{
		Log: w.cfg.Log, Set: w.cfg.Set.With(r.model()), Until: w.at,
		Skip: func(view *projections.Model, key, _ string, place int64) bool {
			return w.parking.holds(viewIndex(w.cfg.Set, view.Name), key, place)
		},
	}, r.model().Name, []string{r.key})
	if err != nil {
		return nil, err
	}
	row := r.model().NewRow(r.key)
	if folded, ok := rows[r.key]; ok {
		if row, err = w.tables[r.view].Row(folded.Image); err != nil {
			return nil, err
		}
	}
	err = pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		d, err = r.replace(ctx, tx, row)
		return err
	})
	return d, err
}

func (r *rowRebuild) model() *projections.Model { return r.cfg.Set.Views()[r.view] }

// replace brings the row to the projector's checkpoint, under its lock, and writes it
// where it differs.
func (r *rowRebuild) replace(ctx context.Context, tx pgx.Tx, row *projections.Row) (*Difference, error) {
	w := r.worker
	from := w.at
	var epoch int64
	if err := tx.QueryRow(ctx, `select epoch from readside.projectors where name = $1`+forChange, w.name).Scan(&epoch); err != nil {
		return nil, err
	}
	if epoch != w.lease.epoch {
		return nil, errFenced
	}
	var err error
	if w.at, err = readCheckpoint(ctx, tx, w.name, "", w.cfg.Log.Start()); err != nil {
		return nil, err
	}
	if err := r.foldOn(ctx, row, from); err != nil {
		return nil, err
	}
	f := newFolding(w.cfg.Set, w.cache, w.session, w.session, &batch{from: w.at, next: w.at}, &attempt{parking: w.parking, here: newParking()})
	view := f.views[r.view]
	e, _ := w.cache.use(view.cachedView, r.key)
	*e.Row = *row
	if err := r.join(ctx, f, view, e); err != nil {
		return nil, err
	}
	return r.write(ctx, tx, f, view, e)
}

// foldOn folds what came to the log since the row was folded from it.
func (r *rowRebuild) foldOn(ctx context.Context, row *projections.Row, from eventlog.Position) error {
	w := r.worker
	b, err := readBatch(ctx, w.cfg, &batch{from: from, next: w.at})
	if err != nil {
		return err
	}
	r.model().Unjoin(row)
	var own []projections.Touch
	for _, t := range w.parking.newAttempt(w.cfg.Set, b, nil).touches {
		if t.View == r.view && t.Key == r.key {
			t.Row = row
			own = append(own, t)
		}
	}
	if faults := w.cfg.Set.FoldAll(nil, own, b.events); len(faults) > 0 {
		return faults[0]
	}
	return nil
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
func (r *rowRebuild) write(ctx context.Context, tx pgx.Tx, f *folding, view *viewWork, e *cached) (*Difference, error) {
	stored, err := view.table.Images(ctx, tx, []string{r.key})
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
	view.changed = []hot.Source{view.table.Source(e.Row, hot.Change{New: e.Image})}
	for _, other := range f.views[r.view+1:] {
		if err := f.finish(ctx, other); err != nil {
			return nil, err
		}
	}
	if err := f.out.Flush(ctx); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, raiseEpochSQL, r.worker.name, r.worker.lease.epoch)
	return d, err
}
