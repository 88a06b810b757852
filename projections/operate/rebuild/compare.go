package rebuild

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/fold"
	"github.com/readside/readside/projections/operate/verify"
	"github.com/readside/readside/projections/parking"
)

// maxDecided bounds the differing rows that the log is asked about, one by one.
const maxDecided = 10_000

// ErrRefused is returned when a new generation is not what the log gives.
var ErrRefused = errors.New("the new generation is refused")

// compare brings both generations to an equal checkpoint, compares them in one
// snapshot while both continue, and lets the log decide over the rows in which they
// differ. It returns how many rows the new generation has, and what it repairs.
func (r *rebuild) compare(ctx context.Context) (rows int, d verify.Differences, err error) {
	r.report(Progress{Phase: PhaseComparing, At: r.shadow.Turn.At(), Until: r.shadow.Turn.At()})
	conn, err := pgx.ConnectConfig(ctx, r.main.Postgres)
	if err != nil {
		return rows, d, err
	}
	defer session.Close(conn)
	tx, err := r.snapshot(ctx, conn)
	if err != nil {
		return rows, d, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := r.watch(); err != nil {
		return rows, d, err
	}
	if rows, err = r.rows(ctx, tx); err != nil {
		return rows, d, err
	}
	d, err = r.differences(ctx, tx)
	return rows, d, err
}

// watch begins to collect the rows that the live generation may have otherwise, where
// other views join this one.
func (r *rebuild) watch() error {
	err := r.differing.close()
	r.differing = nil
	r.shadow.Turn.WatchRows(nil)
	if err != nil || !r.main.Set.Joined(r.model) {
		return err
	}
	r.differing = newDiffering(r.main.BuildDir)
	r.shadow.Turn.WatchRows(func(m *projections.Model, key string) {
		if m.Name == r.model.Name {
			r.differing.add(key)
		}
	})
	return nil
}

// rows counts those of the new generation.
func (r *rebuild) rows(ctx context.Context, tx pgx.Tx) (n int, err error) {
	g, _, err := control.WrittenGeneration(ctx, tx, r.part.Projector.Name, r.model.Name)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `select count(*) from `+hot.NewTable(r.layout(), g.Table).Qualified()).Scan(&n)
	return n, err
}

// snapshot returns one in which both stand at the same place.
func (r *rebuild) snapshot(ctx context.Context, conn *pgx.Conn) (snapshot pgx.Tx, err error) {
	err = r.meet(ctx, func(pgx.Tx) error {
		snapshot, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return err
		}
		equal, err := r.part.Projector.AtSamePlace(ctx, snapshot)
		if err == nil && !equal {
			err = control.ErrMoved
		}
		return err
	})
	return snapshot, err
}

// differences compares the generations in the snapshot.
func (r *rebuild) differences(ctx context.Context, tx pgx.Tx) (d verify.Differences, err error) {
	old, _, err := control.LiveGeneration(ctx, tx, r.main.Projector.Name, r.model.Name)
	if err != nil {
		return d, err
	}
	g, _, err := control.WrittenGeneration(ctx, tx, r.part.Projector.Name, r.model.Name)
	if err != nil {
		return d, err
	}
	was, is := hot.NewTable(r.layout(), old.Table), hot.NewTable(r.layout(), g.Table)
	keys, all, err := is.DifferingKeys(ctx, tx, old.Table, maxDecided, r.differing.add)
	if err != nil || all == 0 {
		return d, err
	}
	before, err := was.Images(ctx, tx, keys)
	if err != nil {
		return d, err
	}
	now, err := is.Images(ctx, tx, keys)
	if err != nil {
		return d, err
	}
	at, err := control.ReadCheckpoint(ctx, tx, r.part.Projector.Name, "", r.main.Log.Start())
	if err != nil {
		return d, err
	}
	folded, err := r.folded(ctx, keys, at)
	if err != nil {
		return d, err
	}
	for _, key := range keys {
		if wrong := difference(is, key, now[key], folded[key].Image); wrong != nil {
			return d, fmt.Errorf("%w: it differs from the live one in %d rows, and row %q is not what the log says: %s; nothing was switched, and the next rebuild begins from scratch",
				ErrRefused, all, key, wrong)
		}
		d.Add(*difference(was, key, before[key], now[key]))
	}
	d.Count = all
	return d, nil
}

// difference is how a stored row differs from the row that it should be; nil where it does not.
func difference(t *hot.Table, key string, stored, folded hot.Image) *verify.Difference {
	d := t.Compare(stored, folded)
	if d == nil {
		return nil
	}
	return &verify.Difference{View: t.Model.Name, Key: key, Kind: d.Kind, Columns: d.Columns, Stored: d.Stored, Folded: d.Folded}
}

// folded are the rows of keys as the log gives them at the place.
func (r *rebuild) folded(ctx context.Context, keys []string, at eventlog.Position) (map[string]replay.Row, error) {
	set, waiting := r.part.Set, r.shadow.Turn.Parking()
	return replay.Keys(ctx, replay.Config{
		Log: r.part.Log, Set: set, Until: at,
		Skip: func(view *projections.Model, key, stream string, place int64) bool {
			return waiting.Holds(parking.Event{View: fold.ViewIndex(set, view.Name), Key: key, Place: place})
		},
	}, r.model.Name, keys)
}
