package rebuild

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay/spill"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/fold"
	"github.com/readside/readside/projections/internal/own"
)

// handOver gives the new generation to the projector, in one transaction. The epoch
// makes its worker look for its tables again. What joins the view follows in the same
// transaction.
func (r *rebuild) handOver(ctx context.Context) (g control.Generation, err error) {
	err = r.meet(ctx, func(tx pgx.Tx) error {
		old, _, err := control.LiveGeneration(ctx, tx, r.main.Projector.Name, r.model.Name)
		if err != nil {
			return err
		}
		if g, _, err = control.WrittenGeneration(ctx, tx, r.part.Projector.Name, r.model.Name); err != nil {
			return err
		}
		// Where another process has taken the rebuild over and nothing was left to fold, no batch
		// has met it: the epoch does.
		if err := r.part.Projector.HandOver(ctx, tx, r.shadow.Turn.Epoch(), r.model.Name, g.Table); err != nil {
			return err
		}
		return r.spread(ctx, tx, old, g)
	})
	return g, err
}

// spread brings the rows that the handover changed to the views that join them: of the
// rows that may differ it compares both generations, some at a time, so that the time
// under the projector's lock depends on how many differ, not on how many there are.
func (r *rebuild) spread(ctx context.Context, tx pgx.Tx, old, now control.Generation) error {
	if r.differing == nil {
		return nil
	}
	guest := own.NewGuest(r.main, r.conn)
	if err := guest.Look(ctx); err != nil {
		return err
	}
	view := fold.ViewIndex(r.main.Set, r.model.Name)
	was, is := hot.NewTable(r.main.Layouts[view], old.Table), hot.NewTable(r.main.Layouts[view], now.Table)
	return r.differing.each(func(keys []string) error {
		changed, err := changedSources(ctx, tx, was, is, keys)
		if err != nil || len(changed) == 0 {
			return err
		}
		return guest.Turn.Spread(ctx, view, changed)
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
	keys *spill.Records
	err  error
}

const differingBytes = 4 << 20

func newDiffering(dir string) *differing {
	return &differing{keys: spill.New(dir, 1, differingBytes)}
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
