package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
	"github.com/readside/readside/projections/replay"
)

// maxDecided bounds the differing rows that the log is asked about, one by one.
const maxDecided = 10_000

// ErrRefused is returned when a new generation is not what the log says.
var ErrRefused = errors.New("the new generation is refused")

// compare brings both generations to an equal checkpoint, compares them in one
// snapshot while both go on, and lets the log decide over the rows in which they
// differ. It returns how many rows the new generation has, and what it repairs.
func (r *rebuild) compare(ctx context.Context) (rows int, d Differences, err error) {
	r.report(RebuildProgress{Phase: PhaseComparing, At: r.shadow.at, Until: r.shadow.at})
	conn, err := pgx.ConnectConfig(ctx, r.main.cfg.Postgres)
	if err != nil {
		return rows, d, err
	}
	defer closeConn(conn)
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
	d, err = r.admit(ctx, tx)
	return rows, d, err
}

// watch begins to collect the rows that the live generation may have otherwise, where
// other views join this one.
func (r *rebuild) watch() error {
	err := r.differing.close()
	r.differing, r.shadow.cache.watch = nil, nil
	if err != nil || !r.main.cfg.Set.Joined(r.model) {
		return err
	}
	r.differing = newDiffering(r.main.cfg.BuildDir)
	r.shadow.cache.watch = func(m *projections.Model, key string) {
		if m.Name == r.model.Name {
			r.differing.add(key)
		}
	}
	return nil
}

// rows counts those of the new generation.
func (r *rebuild) rows(ctx context.Context, tx pgx.Tx) (n int, err error) {
	g, _, err := writtenGeneration(ctx, tx, r.shadow.name, r.model)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `select count(*) from `+hot.NewTable(r.layout(), g.table).Qualified()).Scan(&n)
	return n, err
}

// snapshot answers one in which both stand at the same place.
func (r *rebuild) snapshot(ctx context.Context, conn *pgx.Conn) (snapshot pgx.Tx, err error) {
	err = r.meet(ctx, func(pgx.Tx) error {
		snapshot, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return err
		}
		var equal bool
		err = snapshot.QueryRow(ctx, `select count(distinct place) = 1 and count(*) = 2 from readside.projectors where name in ($1, $2)`, r.main.name, r.shadow.name).Scan(&equal)
		if err == nil && !equal {
			err = errMoved
		}
		return err
	})
	return snapshot, err
}

// admit compares the generations in the snapshot.
func (r *rebuild) admit(ctx context.Context, tx pgx.Tx) (d Differences, err error) {
	old, _, err := liveGeneration(ctx, tx, r.main.name, r.model)
	if err != nil {
		return d, err
	}
	g, _, err := writtenGeneration(ctx, tx, r.shadow.name, r.model)
	if err != nil {
		return d, err
	}
	was, is := hot.NewTable(r.layout(), old.table), hot.NewTable(r.layout(), g.table)
	keys, all, err := is.DifferingKeys(ctx, tx, old.table, maxDecided, r.differing.add)
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
	at, err := readCheckpoint(ctx, tx, r.shadow.name, "", r.main.cfg.Log.Start())
	if err != nil {
		return d, err
	}
	folded, err := r.folded(ctx, keys, at)
	if err != nil {
		return d, err
	}
	for _, key := range keys {
		if wrong := rowDifference(is, key, now[key], folded[key].Image); wrong != nil {
			return d, fmt.Errorf("%w: it differs from the live one in %d rows, and row %q is not what the log says: %s; nothing was switched, and the next rebuild begins anew",
				ErrRefused, all, key, wrong)
		}
		d.add(*rowDifference(was, key, before[key], now[key]))
	}
	d.Count = all
	return d, nil
}

// folded are the rows of keys as the log says at the place.
func (r *rebuild) folded(ctx context.Context, keys []string, at eventlog.Position) (map[string]replay.Row, error) {
	w := r.shadow
	return replay.Keys(ctx, replay.Config{
		Log: w.cfg.Log, Set: w.cfg.Set, Until: at,
		Skip: func(view *projections.Model, key, stream string, place int64) bool {
			return w.parking.Holds(parking.Event{View: viewIndex(w.cfg.Set, view.Name), Key: key, Place: place})
		},
	}, r.model.Name, keys)
}

// rowDifference says how a stored row differs from what it should be; nil where it does not.
func rowDifference(t *hot.Table, key string, stored, folded hot.Image) *Difference {
	switch {
	case stored.IsZero() && folded.IsZero():
		return nil
	case stored.IsZero():
		return &Difference{View: t.Model.Name, Key: key, Kind: "missing"}
	case folded.IsZero():
		return &Difference{View: t.Model.Name, Key: key, Kind: "surplus"}
	}
	columns := t.Differing(folded, stored)
	if len(columns) == 0 {
		return nil
	}
	return &Difference{
		View: t.Model.Name, Key: key, Kind: "differs", Columns: columns,
		Stored: t.Text(stored, columns[0]), Folded: t.Text(folded, columns[0]),
	}
}

// String says it in one line.
func (d *Difference) String() string {
	if d.Kind != "differs" {
		return d.Kind
	}
	return fmt.Sprintf("%s is %s, folded anew it is %s", d.Columns[0], d.Stored, d.Folded)
}
