package rows

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
)

// errMoved is returned where a slice was folded in vain: the view has another table by now,
// or events whose rows are not known were retried.
var errMoved = errors.New("the view changed while its slice was folded")

// footing is where a projector stands in one snapshot, as far as one view is concerned.
type footing struct {
	at eventlog.Position
	// generations are the live tables of all views.
	generations map[string]generation
	parked      parked
}

type generation struct {
	number int
	table  string
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

const (
	checkpointSQL = `select log::text, incarnation, place from readside.projectors where name = $1`
	livesSQL      = `select view, generation, table_name from readside.views where projector = $1 and state = 'live'`
	parkedSQL     = `select place, key, state <> 'discarded', stream <> '' from readside.parked where projector = $1 and view = $2`
)

// look reads the footing of v in a snapshot.
func (w *watcher) look(ctx context.Context, tx pgx.Tx, v *view) (f footing, err error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	if err := tx.QueryRow(ctx, checkpointSQL, w.Projector).Scan(&log, &incarnation, &place); err != nil {
		return f, fmt.Errorf("read the checkpoint: %w", err)
	}
	f.at = eventlog.NewPosition(log, incarnation, place)
	if !f.at.SameLog(w.Log.Start()) {
		return f, eventlog.ErrForeignPosition
	}
	rows, err := tx.Query(ctx, livesSQL, w.Projector)
	if err != nil {
		return f, err
	}
	f.generations = map[string]generation{}
	var name string
	var g generation
	if _, err := pgx.ForEachRow(rows, []any{&name, &g.number, &g.table}, func() error { f.generations[name] = g; return nil }); err != nil {
		return f, err
	}
	f.parked, err = w.readParked(ctx, tx, v)
	return f, err
}

func (w *watcher) readParked(ctx context.Context, tx pgx.Tx, v *view) (parked, error) {
	p := parked{touches: map[touch]bool{}, waits: map[string]bool{}}
	rows, err := tx.Query(ctx, parkedSQL, w.Projector, v.model.Name)
	if err != nil {
		return p, err
	}
	var t touch
	var waits, isEvent bool
	_, err = pgx.ForEachRow(rows, []any{&t.place, &t.key, &waits, &isEvent}, func() error {
		if isEvent { // else only the row's joins failed
			p.touches[t] = true
		}
		if waits {
			p.waits[t.key] = true
		}
		return nil
	})
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
