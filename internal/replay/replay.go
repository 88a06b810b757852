package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay/finished"
	"github.com/readside/readside/internal/replay/parts"
	"github.com/readside/readside/internal/replay/record"
	"github.com/readside/readside/internal/replay/rowtable"
	"github.com/readside/readside/internal/replay/spill"
	"github.com/readside/readside/internal/replay/waiting"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/progress"
)

// Sink takes finished slices, one at a time: views in the set's order, sources before
// those that join them. A view that is only a source comes where Sources need its rows,
// without Rows.
type Sink func(ctx context.Context, s Slice) error

// Result is what a replay folded.
type Result struct {
	// Events counts those that a view handles, Rows those handed out.
	Events, Rows int64
	// Spilled is how many bytes did not fit into memory.
	Spilled int64
}

// Run folds the views and hands their rows to sink.
func Run(ctx context.Context, cfg Config, sink Sink) (Result, error) {
	r, err := newReplay(cfg)
	if err != nil {
		return Result{}, err
	}
	err = r.run(ctx, sink)
	result := Result{Events: r.events, Rows: r.handedOut, Spilled: r.spilled.Size()}
	if err := errors.Join(err, r.spilled.Close()); err != nil {
		return result, fmt.Errorf("replay: %w", err)
	}
	return result, nil
}

// replay is a fold on its way.
type replay struct {
	cfg   Config
	views []view
	index map[*projections.Model]int
	codec *record.Codec

	// all are the slices of all views, view by view.
	all     *parts.Parts
	spilled *spill.Records
	// nothing is what was loaded where nothing had to be.
	nothing []map[string]any
	// found are the rows of the page that is folded; sources those of the rows that are
	// finished.
	found   []rowtable.Found
	sources foundSources
	// rows are those of the slice that is finished.
	rows    []*projections.Row
	encoder hot.Encoder
	spare   *finished.Spare

	// A row with a fault is left as it was right before it, and all that touches it later
	// waits. broken are rows in memory that are half folded: they are mended when the log is
	// read.
	waits  *waiting.Record
	broken rowsUntil
	// only, unless nil, are the rows to fold, and up to where.
	only              rowsUntil
	events, handedOut int64
	parts, partsOut   int
}

// view is what the replay knows of one view.
type view struct {
	model  *projections.Model
	layout *hot.Layout
	// wanted views are handed out; folded ones are wanted or sources of folded ones,
	// and those are folded whole, whatever Keep says.
	wanted, folded, whole bool
	// usedUntil is the last view that joins this one, -1 for none.
	usedUntil int
	done      []bool
	// rowBytes is what a row takes without what its fields point to.
	rowBytes int64
	// asked reports whether rows of this view were let go, so that Sources must know them.
	asked bool
}

func newReplay(cfg Config) (*replay, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	models := cfg.Set.Views()
	r := &replay{
		cfg: cfg, views: make([]view, len(models)), index: map[*projections.Model]int{},
		codec:   record.NewCodec(cfg.Set.ViewTypes()),
		spilled: spill.New(cfg.Dir, len(models)*cfg.Slices, cfg.arenaBytes()),
		waits:   waiting.NewRecord(cfg.Faults), broken: rowsUntil{},
		spare: finished.NewSpare(cfg.aheadBytes()), nothing: make([]map[string]any, len(models)),
	}
	lays := make([]parts.View, len(models))
	for i, m := range models {
		layout, err := hot.NewLayout(m)
		if err != nil {
			return nil, err
		}
		r.index[m] = i
		wanted := cfg.wanted(m)
		r.views[i] = view{model: m, layout: layout, wanted: wanted, folded: wanted, usedUntil: -1, rowBytes: rowOverhead + int64(m.Type.Size())}
		lays[i] = parts.View{Layout: layout, RowBytes: r.views[i].rowBytes}
		if cfg.Done != nil {
			r.views[i].done = make([]bool, cfg.Slices)
			for s := range cfg.Slices {
				r.views[i].done[s] = cfg.Done(m, s)
			}
		}
	}
	r.all = parts.New(lays, cfg.Slices, cfg.rowBytes(), r.spilled)
	r.useSources()
	return r, nil
}

// useSources folds, for each folded view, the views that it joins. Those stand before
// it, so that going backwards finds the sources of sources.
func (r *replay) useSources() {
	for i := len(r.views) - 1; i >= 0; i-- {
		v := &r.views[i]
		if !v.folded {
			continue
		}
		if v.wanted {
			r.parts += r.cfg.Slices
		}
		for _, j := range v.model.Joins {
			s := &r.views[r.index[j.Source]]
			s.folded, s.whole = true, true
			s.usedUntil = max(s.usedUntil, i)
		}
	}
}

func (r *replay) slice(hash uint64) int { return int(hash & uint64(r.cfg.Slices-1)) }

func (r *replay) part(view, slice int) int { return view*r.cfg.Slices + slice }

func (r *replay) run(ctx context.Context, sink Sink) error {
	if err := r.read(ctx, r.fold); err != nil {
		return err
	}
	if err := r.mend(ctx); err != nil {
		return err
	}
	return r.handOut(ctx, sink)
}

func (r *replay) tell(p progress.Fold) {
	if r.cfg.Progress == nil {
		return
	}
	p.Until, p.Events, p.Spilled, p.Slices, p.Parts = r.cfg.Until.Place(), r.events, r.spilled.Size(), r.cfg.Slices, r.parts
	r.cfg.Progress(p)
}
