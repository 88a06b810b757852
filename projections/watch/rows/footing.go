package rows

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/control"
)

// errMoved is returned where a slice was folded in vain: the view has another table by now,
// or events whose rows are not known were retried.
var errMoved = errors.New("the view changed while its slice was folded")

// footing is where a projector stands in one snapshot, as far as one view is concerned.
type footing struct {
	at eventlog.Position
	// generations are the live tables of all views.
	generations map[string]control.Generation
	parked      parked
}

// touch is an event that was not folded into a row; without a key into no row of the view.
type touch struct {
	place int64
	key   string
}

// parked are the touches of a view that are parked or discarded, and the rows that wait.
type parked struct {
	touches map[touch]bool
	waits   map[string]bool
}

func (p parked) holds(t touch) bool { return p.touches[t] || p.touches[touch{place: t.place}] }

// look reads the footing of v in a snapshot.
func (w *watcher) look(ctx context.Context, tx pgx.Tx, v *view) (f footing, err error) {
	if f.at, err = control.ReadCheckpoint(ctx, tx, w.Projector, "", w.Log.Start()); err != nil {
		return f, err
	}
	if f.generations, err = control.LiveGenerations(ctx, tx, w.Projector); err != nil {
		return f, err
	}
	f.parked, err = w.readParked(ctx, tx, v)
	return f, err
}

func (w *watcher) readParked(ctx context.Context, tx pgx.Tx, v *view) (parked, error) {
	p := parked{touches: map[touch]bool{}, waits: map[string]bool{}}
	touches, err := control.ParkedTouches(ctx, tx, w.Projector, v.model.Name)
	for _, t := range touches {
		if !t.Eventless {
			p.touches[touch{t.Place, t.Key}] = true
		}
		if t.Waits {
			p.waits[t.Key] = true
		}
	}
	return p, err
}

// snapshot runs work in one in which everything is as of the same checkpoint.
func (w *watcher) snapshot(ctx context.Context, v *view, work func(tx pgx.Tx, f footing) error) error {
	return pgx.BeginTxFunc(ctx, w.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		f, err := w.look(ctx, tx, v)
		if err != nil {
			return err
		}
		return work(tx, f)
	})
}
