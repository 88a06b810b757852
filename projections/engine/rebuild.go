package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// Rebuilt is what a rebuild did.
type Rebuilt struct {
	View       string            `json:"view"`
	Version    int               `json:"version"`
	Generation int               `json:"generation"`
	Table      string            `json:"table"`
	Position   eventlog.Position `json:"position"`
	Rows       int               `json:"rows"`
	Events     int               `json:"events"`
	// Repaired are the rows in which the former generation differed; none where there was none.
	Repaired Differences   `json:"repaired"`
	Took     time.Duration `json:"took_ns"`
}

// Rebuild folds a view anew from the log into a generation of its own, beside the
// live one, catches up, checks what was written against what was folded, and makes
// it live, in one transaction. Readers see the old rows or the new ones, never none;
// the projector waits while the last events are folded and the generations compared.
func (p *Projector) Rebuild(ctx context.Context, view string) (Rebuilt, error) {
	m := p.cfg.Set.View(view)
	if m == nil {
		return Rebuilt{}, unknownView(p.cfg.Set, view)
	}
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Postgres)
	if err != nil {
		return Rebuilt{}, fmt.Errorf("rebuild view %s: %w", view, err)
	}
	defer closeConn(conn)
	if _, err := readCheckpoint(ctx, conn, p.cfg.Name, "", p.cfg.Log.Start()); err != nil {
		return Rebuilt{}, err
	}
	// A generation that the running projector does not move would stop it.
	if g, ok, err := liveGeneration(ctx, conn, p.cfg.Name, m); err != nil {
		return Rebuilt{}, err
	} else if !ok || g.fingerprint != m.Fingerprint() {
		return Rebuilt{}, fmt.Errorf("rebuild view %s: version %d is not live as this program defines it: run `readside project`, which builds it", view, m.Version)
	}
	r, err := p.build(ctx, conn, m)
	if err != nil {
		return r, fmt.Errorf("rebuild view %s: %w", view, err)
	}
	return r, nil
}

// nearEnough is how many places behind the checkpoint a rebuild may be when it
// stops the projector for the rest.
const nearEnough = 2000

// build makes a new generation of m live: whole, or not at all. It folds m and the
// views that it joins privately, in memory.
func (p *Projector) build(ctx context.Context, conn *pgx.Conn, m *projections.Model) (Rebuilt, error) {
	started := time.Now()
	b := &building{Projector: p, model: m, fold: newRefold(p.cfg.Log, p.cfg.Set.With(m))}
	for {
		at, err := readCheckpoint(ctx, conn, p.cfg.Name, "", p.cfg.Log.Start())
		if err != nil {
			return Rebuilt{}, err
		}
		if at.Place()-b.fold.at.Place() <= nearEnough {
			break
		}
		if err := b.fold.advance(ctx, at, nil); err != nil {
			return Rebuilt{}, err
		}
	}
	if err := dropRetired(ctx, conn, m); err != nil {
		return Rebuilt{}, fmt.Errorf("drop retired generations: %w", err)
	}
	r, err := b.takeOver(ctx, conn)
	r.Took = time.Since(started)
	return r, err
}

// building is a generation on its way.
type building struct {
	*Projector
	model *projections.Model
	fold  *refold
}

// takeOver stops the projector at its checkpoint, brings the fold there, writes the
// new generation, checks it, and switches.
func (b *building) takeOver(ctx context.Context, conn *pgx.Conn) (r Rebuilt, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return r, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	at, err := readCheckpoint(ctx, tx, b.cfg.Name, "for update", b.cfg.Log.Start())
	if err != nil {
		return r, err
	}
	if err := b.fold.advance(ctx, at, nil); err != nil {
		return r, err
	}
	l, want, err := b.rows()
	if err != nil {
		return r, err
	}
	old, hadOld, err := liveGeneration(ctx, tx, b.cfg.Name, b.model)
	if err != nil {
		return r, err
	}
	g, err := addGeneration(ctx, tx, b.cfg.Name, l, b.model.Fingerprint(), "building")
	if err != nil {
		return r, err
	}
	if err := b.write(ctx, tx, conn, hot.NewTable(l, g.table), want); err != nil {
		return r, err
	}
	r = Rebuilt{
		View: b.model.Name, Version: b.model.Version, Generation: g.number, Table: g.table,
		Position: at, Rows: len(want), Events: b.fold.events,
	}
	if hadOld && old.fingerprint == g.fingerprint {
		if _, r.Repaired, err = compareTable(ctx, tx, hot.NewTable(l, old.table), want); err != nil {
			return r, fmt.Errorf("compare with the former generation: %w", err)
		}
	}
	if err := switchGeneration(ctx, tx, b.model, g); err != nil {
		return r, err
	}
	return r, tx.Commit(ctx)
}

func (b *building) rows() (*hot.Layout, []image, error) {
	layouts, err := layoutsOf(b.fold.set)
	if err != nil {
		return nil, nil, err
	}
	images, err := b.fold.images(layouts)
	if err != nil {
		return nil, nil, err
	}
	last := len(layouts) - 1 // sources stand before those that join them
	return layouts[last], images[last], nil
}

// write fills the table, and refuses it where it does not hold what was folded.
func (b *building) write(ctx context.Context, tx pgx.Tx, conn *pgx.Conn, t *hot.Table, want []image) error {
	images := make([]hot.Image, len(want))
	for i, w := range want {
		images[i] = w.image
	}
	if err := t.CopyAll(ctx, conn.PgConn(), images); err != nil {
		return err
	}
	if err := createIndexes(ctx, tx, t.Layout, t.Name); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "analyze "+t.Qualified()); err != nil {
		return err
	}
	rows, d, err := compareTable(ctx, tx, t, want)
	if err != nil {
		return err
	}
	if d.Count > 0 {
		return fmt.Errorf("the new generation is refused: of %d rows %d are not what was folded, the first with key %q", rows, d.Count, d.First[0].Key)
	}
	return nil
}
