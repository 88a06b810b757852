package rebuild

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/internal/desk"
	"github.com/readside/readside/projections/internal/fold"
	"github.com/readside/readside/projections/internal/own"
	"github.com/readside/readside/projections/operate/verify"
	"github.com/readside/readside/projections/parking"
)

// RowResult is what repairing one row did.
type RowResult struct {
	View     string            `json:"view"`
	Key      string            `json:"key"`
	Position eventlog.Position `json:"position"`
	// Repaired is how the row differed; nil where it was right.
	Repaired *verify.Difference `json:"repaired,omitempty"`
	// Unknown reports whether no event names the row, and none was stored.
	Unknown bool `json:"unknown,omitempty"`
}

// Row folds one row again from the log and puts it in the place of what is
// stored, with all that is joined from it. The log is read before the projector has to
// wait: that only waits for what came meanwhile.
func Row(ctx context.Context, cfg engine.Config, view, key string) (RowResult, error) {
	p, err := desk.Open(cfg)
	if err != nil {
		return RowResult{}, err
	}
	i := fold.ViewIndex(p.Set, view)
	if i < 0 {
		return RowResult{}, verify.UnknownView(p.Set, view)
	}
	conn, err := pgx.ConnectConfig(ctx, p.Postgres)
	if err != nil {
		return RowResult{}, fmt.Errorf("rebuild row %q of view %s: %w", key, view, err)
	}
	defer session.Close(conn)
	r := &rowRebuild{cfg: p, guest: own.NewGuest(p, conn), view: i, key: key}
	for range maxRowTries {
		d, err := r.run(ctx)
		if errors.Is(err, control.ErrMoved) {
			continue
		}
		if err != nil {
			return RowResult{}, fmt.Errorf("rebuild row %q of view %s: %w", key, view, err)
		}
		return RowResult{View: view, Key: key, Position: r.guest.Turn.At(), Repaired: d, Unknown: d == nil && !r.named.Load()}, nil
	}
	return RowResult{}, fmt.Errorf("rebuild row %q of view %s: what is parked of it was retried or discarded %d times meanwhile: try again", key, view, maxRowTries)
}

// maxRowTries bounds how often a row is folded again because somebody retried or
// discarded what waits for it meanwhile.
const maxRowTries = 10

// rowRebuild folds one row.
type rowRebuild struct {
	cfg   *own.Config
	guest *own.Guest
	view  int
	key   string
	// named reports whether an event names the row, though it may be parked or discarded.
	named atomic.Bool
}

func (r *rowRebuild) run(ctx context.Context) (d *verify.Difference, err error) {
	if err := r.guest.Look(ctx); err != nil {
		return nil, err
	}
	held := r.held(r.guest.Turn.At())
	row, err := r.replay(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.guest.Rollback(ctx)
		}
	}()
	from := r.guest.Turn.At()
	if err := r.guest.Lock(ctx); err != nil {
		return nil, err
	}
	if r.guest.Turn.At().Place() < from.Place() || !maps.Equal(held, r.held(from)) {
		return nil, control.ErrMoved
	}
	if d, err = r.replace(ctx, row, from); err != nil {
		return nil, err
	}
	_, err = r.guest.Conn.Exec(ctx, "commit")
	return d, err
}

// held are the events up to a checkpoint that are not in the row.
func (r *rowRebuild) held(until eventlog.Position) map[parking.Event]bool {
	return r.guest.Turn.Parking().HeldOf(parking.Row{View: r.view, Key: r.key}, until.Place())
}

// replay folds the row from the log.
func (r *rowRebuild) replay(ctx context.Context) (*projections.Row, error) {
	rows, err := replay.Keys(ctx, replay.Config{
		Log: r.cfg.Log, Set: r.cfg.Set.With(r.model()), Until: r.guest.Turn.At(),
		Skip: func(view *projections.Model, key, _ string, place int64) bool {
			if view.Name == r.model().Name && key == r.key {
				r.named.Store(true)
			}
			return r.guest.Turn.Parking().Holds(parking.Event{View: fold.ViewIndex(r.cfg.Set, view.Name), Key: key, Place: place})
		},
	}, r.model().Name, []string{r.key})
	if err != nil {
		return nil, err
	}
	if folded, ok := rows[r.key]; ok {
		return r.guest.Turn.Tables()[r.view].Row(folded.Image)
	}
	return r.model().NewRow(r.key), nil
}

func (r *rowRebuild) model() *projections.Model { return r.cfg.Set.Views()[r.view] }

// replace brings the row to the projector's checkpoint, under its lock, and writes it
// where it differs.
func (r *rowRebuild) replace(ctx context.Context, row *projections.Row, from eventlog.Position) (*verify.Difference, error) {
	t := r.guest.Turn
	if err := r.foldFurther(ctx, row, from); err != nil {
		return nil, err
	}
	image, err := t.Image(ctx, r.view, row)
	if err != nil {
		return nil, err
	}
	table := t.Tables()[r.view]
	stored, err := table.Images(ctx, r.guest.Conn, []string{r.key})
	if err != nil {
		return nil, err
	}
	folded := image
	if row.State == projections.Absent {
		folded = hot.Image{}
	}
	d := difference(table, r.key, stored[r.key], folded)
	if d == nil {
		return nil, nil
	}
	return d, t.Replace(ctx, r.view, row, stored[r.key], image)
}

// foldFurther folds what came to the log since the row was folded from it, page by page: a
// busy projector may have gone far. Only what is parked is left out: the row's events
// before that are in it, and after a retry those behind it, too.
func (r *rowRebuild) foldFurther(ctx context.Context, row *projections.Row, from eventlog.Position) error {
	r.model().Unjoin(row)
	q := eventlog.Query{Types: r.cfg.Set.ViewTypes(), Limit: r.cfg.BatchEvents, Until: r.guest.Turn.At()}
	return r.cfg.Log.Follow(ctx, from, q, func(_ context.Context, page eventlog.Page) error {
		events, touches, _ := r.cfg.Set.Prepare(page.Events)
		var own []projections.Touch
		for _, t := range touches {
			if t.View != r.view || t.Key != r.key {
				continue
			}
			r.named.Store(true)
			if !r.guest.Turn.Parking().Holds(parking.Event{View: r.view, Key: r.key, Place: events[t.Event].Meta.Position.Place()}) {
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
