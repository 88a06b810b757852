package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/replay"
)

// Rebuilt is what a rebuild did.
type Rebuilt struct {
	View       string            `json:"view"`
	Version    int               `json:"version"`
	Generation int               `json:"generation"`
	Table      string            `json:"table"`
	Position   eventlog.Position `json:"position"`
	// Rows is how many the new generation had when it was compared.
	Rows int `json:"rows"`
	// Repaired are the rows in which the former generation differed.
	Repaired Differences   `json:"repaired"`
	Took     time.Duration `json:"took_ns"`
}

// RebuildOptions say how a rebuild goes about it.
type RebuildOptions struct {
	// MaxRate is how many events a second are read at most, so that live traffic keeps
	// its latency; 0 is the default of 20,000, negative no bound.
	MaxRate int
	// Progress, unless nil, is told how far it is. It must not block.
	Progress func(RebuildProgress)
}

// defaultRebuildRate leaves most of a small machine to live traffic.
const defaultRebuildRate = 20_000

// rate is in events per second; negative is no bound.
func (o RebuildOptions) rate() int {
	if o.MaxRate == 0 {
		return defaultRebuildRate
	}
	return o.MaxRate
}

// RebuildProgress is how far a rebuild is.
type RebuildProgress struct {
	// Phase is one of the Phase constants.
	Phase string
	// At and Until are how far the phase is and where it ends.
	At, Until eventlog.Position
	// Replay says more while it is folding.
	Replay replay.Progress
}

// The phases of a rebuild, in their order; it may catch up more than once.
const (
	PhaseFolding    = "folding"
	PhaseCatchingUp = "catching up"
	PhaseComparing  = "comparing"
	PhaseSwitching  = "switching"
)

// Rebuild folds a view anew from the log into a generation of its own, beside the
// live one, and hands it over in one transaction.
//
//	fold ──▶ catch up ──▶ compare at an equal checkpoint ──▶ hand over
//
// The rebuild is a projector itself, of the view and of those that it joins, with a
// checkpoint that survives a restart: ordered again, it goes on, unless the program is
// another one or events were given up meanwhile: then it begins anew. Readers see the old
// rows or the new ones, never none, and never a place that goes back. The view's
// projector waits twice, for as long as it takes to fold what came in the last
// moment: to bring both generations to an equal checkpoint, and to hand over. Where
// the generations differ, the log decides: a new one that is not what the log says is
// refused, an old one is what was to be repaired.
func (p *Projector) Rebuild(ctx context.Context, view string, o RebuildOptions) (Rebuilt, error) {
	m := p.cfg.Set.View(view)
	if m == nil {
		return Rebuilt{}, unknownView(p.cfg.Set, view)
	}
	started := time.Now()
	r := &rebuild{main: p, model: m, options: o}
	out, err := r.run(ctx)
	if err != nil {
		return out, fmt.Errorf("rebuild view %s: %w", view, err)
	}
	out.Took = time.Since(started)
	return out, nil
}

// rebuild is one on its way.
type rebuild struct {
	main    *Projector
	model   *projections.Model
	options RebuildOptions
	// conn sees to the view's own projector; the shadow's worker has another.
	conn *pgx.Conn
	// shadow folds the view and what it joins, privately.
	shadow *worker
	// limit bounds what it reads; nil does not.
	limit *rate.Limiter
	// differing are the rows that the new generation may have otherwise than the live one;
	// nil where no view joins this one.
	differing *differing
}

func (r *rebuild) run(ctx context.Context) (out Rebuilt, err error) {
	if r.conn, err = pgx.ConnectConfig(ctx, r.main.cfg.Postgres); err != nil {
		return out, err
	}
	defer closeConn(r.conn)
	if err := r.check(ctx); err != nil {
		return out, err
	}
	part, err := r.part()
	if err != nil {
		return out, err
	}
	for range maxBeginnings {
		out, err = r.attempt(ctx, part)
		if !errors.Is(err, errStale) {
			return out, err
		}
		r.main.cfg.Logger.InfoContext(ctx, "the rebuild begins anew", "projector", part.name, "reason", err)
	}
	return out, fmt.Errorf("it began anew %d times, and gives up: order it again: %w", maxBeginnings, err)
}

// maxBeginnings bounds how often a rebuild begins anew.
const maxBeginnings = 3

// attempt builds the new generation, or goes on with one, and hands it over.
func (r *rebuild) attempt(ctx context.Context, part *Projector) (out Rebuilt, err error) {
	if r.shadow, err = part.start(ctx, false); err == nil {
		out, err = r.build(ctx)
		err = r.shadow.why(err)
		r.shadow.close()
		err = errors.Join(err, r.differing.close())
	} else if errors.Is(err, eventlog.ErrForeignPosition) {
		err = fmt.Errorf("%w: %w", errStale, err)
	}
	if errors.Is(err, ErrRefused) || errors.Is(err, errStale) {
		err = errors.Join(err, part.dropShadow(ctx, r.conn))
	}
	return out, err
}

func (r *rebuild) build(ctx context.Context) (out Rebuilt, err error) {
	if out.Rows, out.Repaired, err = r.prepare(r.shadow.ctx); err != nil {
		return out, err
	}
	r.report(RebuildProgress{Phase: PhaseSwitching, At: r.shadow.at, Until: r.shadow.at})
	// Not the shadow's context from here on: handing over ends its lease, on purpose.
	g, err := r.handOver(ctx)
	if err != nil {
		return out, err
	}
	out.View, out.Version, out.Position = r.model.Name, r.model.Version, r.shadow.at
	out.Generation, out.Table = g.number, g.table
	// The new generation serves already: what cannot be dropped stays for its owner to drop.
	if err := r.main.dropRetired(ctx, r.conn); err != nil {
		r.main.logKept(ctx, err)
	}
	return out, nil
}

// prepare brings the new generation up to date and compares it.
func (r *rebuild) prepare(ctx context.Context) (rows int, repaired Differences, err error) {
	if err := r.chase(ctx); err != nil {
		return rows, repaired, err
	}
	if rows, repaired, err = r.compare(ctx); err != nil {
		return rows, repaired, err
	}
	return rows, repaired, r.chase(ctx) // comparing takes its time
}

// check sees to it that there is a live generation to relieve.
func (r *rebuild) check(ctx context.Context) error {
	if _, err := readCheckpoint(ctx, r.conn, r.main.name, "", r.main.cfg.Log.Start()); err != nil {
		return err
	}
	if err := r.joinedWait(ctx, r.conn); err != nil {
		return err
	}
	if _, ok, err := liveGeneration(ctx, r.conn, r.main.name, r.model); err != nil || ok {
		return err
	}
	return fmt.Errorf("view %s version %d, as this program defines it, has %w", r.model.Name, r.model.Version, ErrNotLive)
}

// shadowBatch is how many events a rebuild folds in one transaction when it catches up.
const shadowBatch = 2_000

// part is the projector of the view and of those that it joins.
func (r *rebuild) part() (*Projector, error) {
	cfg := r.main.cfg
	cfg.Set, cfg.BatchEvents = r.main.cfg.Set.With(r.model), shadowBatch
	if cfg.BuildRate = r.options.rate(); cfg.BuildRate > 0 {
		r.limit = rate.NewLimiter(rate.Limit(cfg.BuildRate), shadowBatch)
	}
	cfg.Observer = Observer{Building: func(p replay.Progress) {
		start := r.main.cfg.Log.Start()
		r.report(RebuildProgress{Phase: PhaseFolding, At: start.At(p.Place), Until: start.At(p.Until), Replay: p})
	}}
	layouts, err := layoutsOf(cfg.Set)
	if err != nil {
		return nil, err
	}
	return &Projector{cfg: cfg, name: rebuildName(r.main.name, r.model.Name), layouts: layouts, rebuilds: r.main.name}, nil
}

// nearEnough is how many places behind its projector a rebuild may be when it makes
// the projector wait for the rest.
const nearEnough = 64

// chase folds until the rebuild is near its projector's checkpoint.
func (r *rebuild) chase(ctx context.Context) error {
	for {
		at, err := readCheckpoint(ctx, r.conn, r.main.name, "", r.main.cfg.Log.Start())
		if err != nil {
			return err
		}
		if at.Place()-r.shadow.at.Place() <= nearEnough {
			return nil
		}
		if err := r.foldTo(ctx, at); err != nil {
			return err
		}
	}
}

// foldTo brings the rebuild to exactly a place that its projector has reached.
func (r *rebuild) foldTo(ctx context.Context, until eventlog.Position) error {
	w := r.shadow
	if w.at.Place() >= until.Place() {
		return nil
	}
	q := eventlog.Query{Types: w.cfg.Set.ViewTypes(), Limit: w.cfg.BatchEvents, Until: until}
	return w.cfg.Log.Follow(ctx, w.at, q, func(ctx context.Context, page eventlog.Page) error {
		if r.limit != nil && until.Place()-w.at.Place() > nearEnough {
			if err := r.limit.WaitN(ctx, len(page.Events)); err != nil {
				return err
			}
		}
		err := eachBatch(w.cfg.Set, w.at, page, func(b *batch) error { return w.fold(ctx, b) })
		if err != nil {
			return err
		}
		r.report(RebuildProgress{Phase: PhaseCatchingUp, At: w.at, Until: until})
		return nil
	})
}

// meet locks the projector's row, which makes it wait, brings the rebuild to the same
// place, sees to it that both leave the same events out, and runs work before it lets go.
func (r *rebuild) meet(ctx context.Context, work func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		at, err := readCheckpoint(ctx, tx, r.main.name, forChange, r.main.cfg.Log.Start())
		if err != nil {
			return err
		}
		if err := r.foldTo(ctx, at); err != nil {
			return err
		}
		if err := r.fits(ctx, tx); err != nil {
			return err
		}
		return work(tx)
	})
}

func (r *rebuild) layout() *hot.Layout {
	return r.shadow.layouts[len(r.shadow.layouts)-1] // sources stand before those that join them
}

func (r *rebuild) report(p RebuildProgress) {
	if r.options.Progress != nil {
		r.options.Progress(p)
	}
}
