package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/replay"
)

// handOver gives the new generation to the projector, in one transaction. The epoch
// tells its worker to look for its tables again. What joins the view follows in the same
// transaction.
func (r *rebuild) handOver(ctx context.Context) (g generation, err error) {
	err = r.meet(ctx, func(tx pgx.Tx) error {
		if err := r.stillOurs(ctx, tx); err != nil {
			return err
		}
		old, _, err := liveGeneration(ctx, tx, r.main.name, r.model)
		if err != nil {
			return err
		}
		if g, _, err = writtenGeneration(ctx, tx, r.shadow.name, r.model); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update readside.views set state = 'retired', retired_at = clock_timestamp() where projector = $1 and view = $2 and state = 'live'`,
			r.main.name, r.model.Name); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update readside.views set projector = $1, state = 'live', live_at = clock_timestamp() where table_name = $2`,
			r.main.name, g.table); err != nil {
			return err
		}
		if err := r.handOverParked(ctx, tx); err != nil {
			return err
		}
		for _, t := range r.shadow.tables {
			if t.Model.Name == r.model.Name {
				continue // the sources were folded for this rebuild only
			}
			if _, err := tx.Exec(ctx, `drop table `+t.Qualified()); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `delete from readside.projectors where name = $1`, r.shadow.name); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `update readside.projectors set epoch = epoch + 1 where name = $1`, r.main.name); err != nil {
			return err
		}
		return r.spread(ctx, tx, old, g)
	})
	return g, err
}

// stillOurs refuses to hand over what another process has taken over meanwhile: where
// nothing was left to fold, no batch has told so.
func (r *rebuild) stillOurs(ctx context.Context, tx pgx.Tx) error {
	var epoch int64
	err := tx.QueryRow(ctx, `select epoch from readside.projectors where name = $1 for update`, r.shadow.name).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && epoch != r.shadow.epoch {
		return errFenced
	}
	return err
}

// handOverParked replaces what waits for the view by what the rebuild could not fold.
// What was given up both have noted.
func (r *rebuild) handOverParked(ctx context.Context, tx pgx.Tx) error {
	for _, sql := range []string{
		`delete from readside.parked where projector = $1 and view = $3 and state <> 'discarded' and $2 <> ''`,
		`delete from readside.parked where projector = $2 and view = $3 and state = 'discarded' and $1 <> ''`,
		`delete from readside.degraded where projector = $1 and view = $3 and $2 <> ''`,
		`update readside.parked set projector = $1 where projector = $2 and view = $3`,
		`update readside.degraded set projector = $1 where projector = $2 and view = $3`,
	} {
		if _, err := tx.Exec(ctx, sql, r.main.name, r.shadow.name, r.model.Name); err != nil {
			return err
		}
	}
	return nil
}

// spread brings the rows that the handover changed to the views that join them: of the
// rows that may differ it compares both generations, some at a time, so that the time
// under the projector's lock depends on how many differ, not on how many there are.
func (r *rebuild) spread(ctx context.Context, tx pgx.Tx, old, now generation) error {
	if r.differing == nil {
		return nil
	}
	guest := r.main.newGuest(ctx, r.conn)
	if err := guest.lookAsGuest(ctx, ""); err != nil {
		return err
	}
	view := viewIndex(r.main.cfg.Set, r.model.Name)
	was, is := hot.NewTable(guest.layouts[view], old.table), hot.NewTable(guest.layouts[view], now.table)
	return r.differing.each(func(keys []string) error {
		changed, err := changedSources(ctx, tx, was, is, keys)
		if err != nil || len(changed) == 0 {
			return err
		}
		return guest.spread(ctx, view, changed)
	})
}

// changedSources compares rows of two tables of one view, and returns those in which
// joins see a difference.
func changedSources(ctx context.Context, tx pgx.Tx, was, is *hot.Table, keys []string) (changed []hot.Source, err error) {
	before, err := was.Images(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	now, err := is.Images(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		row := is.Model.NewRow(key)
		if img := now[key]; !img.IsZero() {
			if row, err = is.Row(img); err != nil {
				return nil, err
			}
		}
		if s, visible := is.Source(row, hot.Change{Old: before[key], New: now[key]}); visible {
			changed = append(changed, s)
		}
	}
	return changed, nil
}

// differing collects the keys of rows that two generations may have otherwise: those in
// which they differed when they were compared, and those that were folded or computed
// since, since the live generation's rows may come from other code. A key may be in it
// more than once. Its memory is bounded: what does not fit goes to a file.
type differing struct {
	keys *replay.Spill
	err  error
}

const differingBytes = 4 << 20

func newDiffering(dir string) *differing {
	return &differing{keys: replay.NewSpill(dir, 1, differingBytes)}
}

func (d *differing) add(key string) {
	if d != nil && d.err == nil {
		d.err = d.keys.Append(0, func(buf []byte) ([]byte, error) { return append(buf, key...), nil })
	}
}

// spreadChunk is how many rows of two generations are compared at a time.
const spreadChunk = 1000

// each hands out the keys, some at a time, each of them sorted and once.
func (d *differing) each(work func(keys []string) error) error {
	if d.err != nil {
		return d.err
	}
	var keys []string
	hand := func() error {
		slices.Sort(keys)
		distinct := slices.Compact(keys)
		keys = keys[:0]
		return work(distinct)
	}
	err := d.keys.Each(0, func(key []byte) error {
		if keys = append(keys, string(key)); len(keys) < spreadChunk {
			return nil
		}
		return hand()
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	return hand()
}

func (d *differing) close() error {
	if d == nil {
		return nil
	}
	return d.keys.Close()
}
