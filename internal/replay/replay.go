package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/progress"
)

// Row is a finished row: joined, encoded, whatever its state.
type Row struct {
	Key   string
	State projections.State
	Image hot.Image
	// Joinless reports whether the row's joins failed, and its joined columns are empty.
	Joinless bool
}

// Slice is one part of a view, finished.
type Slice struct {
	View *projections.Model
	// Number is which of Of slices it is.
	Number, Of int
	// Rows are those to hand out, in no order.
	Rows []Row
	// Sources are the live rows that Sources will be asked for, since they are not held
	// in memory: for those who do not store Rows. Nil where nothing will be asked.
	Sources []Row

	memory *sliceMemory
	spare  *spare
}

// Free gives the memory of Rows and Sources, of the structs and of the images, back for
// slices to come. Nobody may use any of that afterwards; who keeps some does not call it.
func (s *Slice) Free() { s.spare.give(s.memory) }

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
	result := Result{Events: r.events, Rows: r.handedOut, Spilled: r.spill.Size()}
	if err := errors.Join(err, r.spill.Close()); err != nil {
		return result, fmt.Errorf("replay: %w", err)
	}
	return result, nil
}

// replay is a fold on its way.
type replay struct {
	cfg   Config
	views []view
	index map[*projections.Model]int
	// types are the event types that are read; typeNumbers finds their numbers.
	types       []string
	typeNumbers map[string]int

	// all are the slices of all views, view by view.
	all []part
	// held is what the rows in memory take.
	held     int64
	spill    *Spill
	spilling bool
	// nothing is what was loaded where nothing had to be.
	nothing []map[string]any
	scratch []byte
	// found are the rows of the page that is folded; sources those of the rows that are
	// finished.
	found   []foundRow
	sources foundSources
	// rows are those of the slice that is finished.
	rows    []*projections.Row
	encoder hot.Encoder
	spare   spare

	faults
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

// rowID is a row, or a stream, of a view.
type rowID struct {
	view int
	name string
}

func newReplay(cfg Config) (*replay, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	models := cfg.Set.Views()
	r := &replay{
		cfg: cfg, views: make([]view, len(models)), index: map[*projections.Model]int{},
		types: cfg.Set.ViewTypes(), typeNumbers: map[string]int{},
		all:    make([]part, len(models)*cfg.Slices),
		spill:  NewSpill(cfg.Dir, len(models)*cfg.Slices, cfg.arenaBytes()),
		faults: newFaults(), spare: spare{most: cfg.aheadBytes()}, nothing: make([]map[string]any, len(models)),
	}
	for i, name := range r.types {
		r.typeNumbers[name] = i
	}
	for i := range r.all {
		r.all[i].view = i / cfg.Slices
	}
	for i, m := range models {
		layout, err := hot.NewLayout(m)
		if err != nil {
			return nil, err
		}
		r.index[m] = i
		wanted := cfg.wanted(m)
		r.views[i] = view{model: m, layout: layout, wanted: wanted, folded: wanted, usedUntil: -1, rowBytes: rowOverhead + int64(m.Type.Size())}
		if cfg.Done != nil {
			r.views[i].done = make([]bool, cfg.Slices)
			for s := range cfg.Slices {
				r.views[i].done[s] = cfg.Done(m, s)
			}
		}
	}
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
	p.Until, p.Events, p.Spilled, p.Slices, p.Parts = r.cfg.Until.Place(), r.events, r.spill.Size(), r.cfg.Slices, r.parts
	r.cfg.Progress(p)
}
