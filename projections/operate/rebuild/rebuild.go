// Package rebuild folds a view again from the log, beside the live one, and hands it over;
// or one row of it, in place.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/internal/build"
	"github.com/readside/readside/projections/internal/desk"
	"github.com/readside/readside/projections/internal/own"
	"github.com/readside/readside/projections/operate/verify"
	"github.com/readside/readside/projections/progress"
)

// Result is what a rebuild did.
type Result struct {
	View       string            `json:"view"`
	Version    int               `json:"version"`
	Generation int               `json:"generation"`
	Table      string            `json:"table"`
	Position   eventlog.Position `json:"position"`
	// Rows is how many the new generation had when it was compared.
	Rows int `json:"rows"`
	// Repaired are the rows in which the former generation differed.
	Repaired verify.Differences `json:"repaired"`
	Took     time.Duration      `json:"took_ns"`
}

// Options are how a rebuild goes about it.
type Options struct {
	// MaxRate is how many events a second are read at most, so that live traffic keeps
	// its latency; 0 is the default of 20,000, negative no bound.
	MaxRate int
	// Progress, unless nil, is called with how far it is. It must not block.
	Progress func(Progress)
}

// rate is in events per second; negative is no bound.
func (o Options) rate() int {
	if o.MaxRate == 0 {
		return build.DefaultRate
	}
	return o.MaxRate
}

// Progress is how far a rebuild is.
type Progress struct {
	// Phase is one of the Phase constants.
	Phase string
	// At and Until are how far the phase is and where it ends.
	At, Until eventlog.Position
	// Replay is set while it is folding.
	Replay progress.Fold
}

// The phases of a rebuild, in their order; it may catch up more than once.
const (
	PhaseFolding    = "folding"
	PhaseCatchingUp = "catching up"
	PhaseComparing  = "comparing"
	PhaseSwitching  = "switching"
)

// View folds a view from scratch from the log into a generation of its own, beside the
// live one, and hands it over in one transaction.
//
//	fold ──▶ catch up ──▶ compare at an equal checkpoint ──▶ hand over
//
// The rebuild is a projector itself, of the view and of those that it joins, with a
// checkpoint that survives a restart: ordered again, it is resumed, unless the program is
// another one or events were discarded meanwhile: then it begins from scratch. Readers see the old
// rows or the new ones, never none, and never a place that goes back. The view's
// projector waits twice, for as long as it takes to fold what came in the last
// moment: to bring both generations to an equal checkpoint, and to hand over. Where
// the generations differ, the log decides: a new one that is not what the log gives is
// refused, an old one is what was to be repaired.
func View(ctx context.Context, cfg engine.Config, view string, o Options) (Result, error) {
	started := time.Now()
	r, err := open(cfg, view, o)
	if err != nil {
		return Result{}, err
	}
	out, err := r.run(ctx)
	if err != nil {
		return out, fmt.Errorf("rebuild view %s: %w", view, err)
	}
	out.Took = time.Since(started)
	return out, nil
}

// rebuild is one on its way.
type rebuild struct {
	main    *own.Config
	model   *projections.Model
	options Options
	// conn sees to the view's own projector; the shadow's worker has another.
	conn *pgx.Conn
	// shadow folds the view and what it joins, privately.
	shadow *own.Worker
	// part is the projector that the shadow works for.
	part *own.Config
	// limit bounds what it reads; nil does not.
	limit *rate.Limiter
	// differing are the rows that the new generation may have otherwise than the live one;
	// nil where no view joins this one.
	differing *differing
}

func open(cfg engine.Config, view string, o Options) (*rebuild, error) {
	p, err := desk.Open(cfg)
	if err != nil {
		return nil, err
	}
	m := p.Set.View(view)
	if m == nil {
		return nil, verify.UnknownView(p.Set, view)
	}
	return &rebuild{main: p, model: m, options: o}, nil
}

func (r *rebuild) run(ctx context.Context) (out Result, err error) {
	if r.conn, err = pgx.ConnectConfig(ctx, r.main.Postgres); err != nil {
		return out, err
	}
	defer session.Close(r.conn)
	if err := r.check(ctx); err != nil {
		return out, err
	}
	if r.part, err = r.shadowConfig(); err != nil {
		return out, err
	}
	for range maxBeginnings {
		out, err = r.attempt(ctx)
		if !errors.Is(err, own.ErrStale) {
			return out, err
		}
		r.main.Logger.InfoContext(ctx, "the rebuild begins from scratch", "projector", r.part.Projector.Name, "reason", err)
	}
	return out, fmt.Errorf("it began from scratch %d times: order it again: %w", maxBeginnings, err)
}

// maxBeginnings bounds how often a rebuild begins from scratch.
const maxBeginnings = 3

// attempt builds the new generation, or resumes one, and hands it over.
func (r *rebuild) attempt(ctx context.Context) (out Result, err error) {
	if r.shadow, err = own.Start(ctx, r.part, nil); err == nil {
		out, err = r.build(ctx)
		err = r.shadow.Why(err)
		r.shadow.Close()
		err = errors.Join(err, r.differing.close())
	} else if errors.Is(err, eventlog.ErrForeignPosition) {
		err = fmt.Errorf("%w: %w", own.ErrStale, err)
	}
	if errors.Is(err, ErrRefused) || errors.Is(err, own.ErrStale) {
		err = errors.Join(err, r.dropShadow(ctx))
	}
	return out, err
}

func (r *rebuild) build(ctx context.Context) (out Result, err error) {
	if out.Rows, out.Repaired, err = r.prepare(r.shadow.Context()); err != nil {
		return out, err
	}
	r.report(Progress{Phase: PhaseSwitching, At: r.shadow.Turn.At(), Until: r.shadow.Turn.At()})
	// Not the shadow's context from here on: handing over ends its lease, on purpose.
	g, err := r.handOver(ctx)
	if err != nil {
		return out, err
	}
	out.View, out.Version, out.Position = r.model.Name, r.model.Version, r.shadow.Turn.At()
	out.Generation, out.Table = g.Number, g.Table
	// The new generation serves already: what cannot be dropped stays for its owner to drop.
	if err := control.DropRetired(ctx, r.conn, r.main.Projector.Name, dropPatience); err != nil {
		r.main.Logger.WarnContext(ctx, "what nobody needs could not be dropped: it stays until next time", "projector", r.main.Projector.Name, "error", err)
	}
	return out, nil
}

// prepare brings the new generation up to date and compares it.
func (r *rebuild) prepare(ctx context.Context) (rows int, repaired verify.Differences, err error) {
	if err := r.chase(ctx); err != nil {
		return rows, repaired, err
	}
	if rows, repaired, err = r.compare(ctx); err != nil {
		return rows, repaired, err
	}
	return rows, repaired, r.chase(ctx) // comparing takes its time
}

// check sees to it that there is a live generation to replace.
func (r *rebuild) check(ctx context.Context) error {
	if _, err := control.ReadCheckpoint(ctx, r.conn, r.main.Projector.Name, "", r.main.Log.Start()); err != nil {
		return err
	}
	if err := r.joinedWait(ctx, r.conn); err != nil {
		return err
	}
	if _, ok, err := control.LiveGeneration(ctx, r.conn, r.main.Projector.Name, r.model.Name); err != nil || ok {
		return err
	}
	return fmt.Errorf("view %s version %d, as this program defines it, has %w", r.model.Name, r.model.Version, control.ErrNotLive)
}

// shadowBatch is how many events a rebuild folds in one transaction when it catches up.
const shadowBatch = 2_000

// shadowConfig is the projector of the view and of those that it joins.
func (r *rebuild) shadowConfig() (*own.Config, error) {
	c := *r.main
	c.Projector = control.Projector{Name: r.main.Projector.Name + "+" + r.model.Name, Base: r.main.Projector.Base, Rebuilds: r.main.Projector.Name}
	c.Set, c.BatchEvents = r.main.Set.With(r.model), shadowBatch
	if c.BuildRate = r.options.rate(); c.BuildRate > 0 {
		r.limit = rate.NewLimiter(rate.Limit(c.BuildRate), shadowBatch)
	}
	c.Parked = nil
	c.Building = func(p progress.Fold) {
		start := r.main.Log.Start()
		r.report(Progress{Phase: PhaseFolding, At: start.At(p.Place), Until: start.At(p.Until), Replay: p})
	}
	var err error
	c.Layouts, err = hot.Layouts(c.Set)
	return &c, err
}

// nearEnough is how many places behind its projector a rebuild may be when it makes
// the projector wait for the rest.
const nearEnough = 64

// chase folds until the rebuild is near its projector's checkpoint.
func (r *rebuild) chase(ctx context.Context) error {
	for {
		at, err := control.ReadCheckpoint(ctx, r.conn, r.main.Projector.Name, "", r.main.Log.Start())
		if err != nil {
			return err
		}
		if at.Place()-r.shadow.Turn.At().Place() <= nearEnough {
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
	if w.Turn.At().Place() >= until.Place() {
		return nil
	}
	q := eventlog.Query{Types: r.part.Set.ViewTypes(), Limit: r.part.BatchEvents, Until: until}
	return r.part.Log.Follow(ctx, w.Turn.At(), q, func(ctx context.Context, page eventlog.Page) error {
		if r.limit != nil && until.Place()-w.Turn.At().Place() > nearEnough {
			if err := r.limit.WaitN(ctx, len(page.Events)); err != nil {
				return err
			}
		}
		err := batch.Each(r.part.Set, w.Turn.At(), page, func(b *batch.Batch) error { return w.Fold(ctx, b) })
		if err != nil {
			return err
		}
		r.report(Progress{Phase: PhaseCatchingUp, At: w.Turn.At(), Until: until})
		return nil
	})
}

// meet locks the projector's row, which makes it wait, brings the rebuild to the same
// place, sees to it that both leave the same events out, and runs work before it lets go.
func (r *rebuild) meet(ctx context.Context, work func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		at, err := control.ReadCheckpoint(ctx, tx, r.main.Projector.Name, control.ForChange, r.main.Log.Start())
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
	return r.part.Layouts[len(r.part.Layouts)-1] // sources stand before those that join them
}

func (r *rebuild) report(p Progress) {
	if r.options.Progress != nil {
		r.options.Progress(p)
	}
}

const (
	// dropPatience is how long dropping waits for a table that somebody reads.
	dropPatience = 200 * time.Millisecond
	// shadowPatience is longer than Postgres needs to call an autovacuum off.
	shadowPatience = 5 * time.Second
)

// dropShadow drops the rebuild's own projector, which nobody must be working for.
func (r *rebuild) dropShadow(ctx context.Context) error {
	name := r.part.Projector.Name
	dropped, err := control.DropProjector(ctx, r.conn, name, 0, shadowPatience)
	if err != nil || dropped {
		return err
	}
	return fmt.Errorf("what was rebuilt, projector %s, is in use and could not be dropped: order the rebuild again when nobody reads its tables", name)
}
