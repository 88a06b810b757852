package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/pooler"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/fold"
	"github.com/readside/readside/projections/internal/own"
)

// Projector folds a set of views in a single pass over the log: all its views stand
// at the same position, always. Of several workers of one projector one folds, and the
// others wait to take over.
type Projector struct {
	cfg Config
	own own.Config
	// watchRest is the constant; tests do not wait for it.
	watchRest time.Duration
	// waitedFor is the lease holder that this worker last logged to be waiting for.
	waitedFor string
	// noted reports whether the projector's row may name a trouble that is over.
	noted bool
}

// New checks a configuration. Nothing runs before Run.
func New(cfg Config) (*Projector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("projector: %w", err)
	}
	cfg = cfg.WithDefaults()
	layouts, err := hot.Layouts(cfg.Set)
	if err != nil {
		return nil, fmt.Errorf("projector: %w", err)
	}
	cfg.Postgres = application.Writer(cfg.Postgres, cfg.Application)
	return &Projector{cfg: cfg, own: ownConfig(cfg, layouts), watchRest: watchRest}, nil
}

func ownConfig(c Config, layouts []*hot.Layout) own.Config {
	o := own.Config{
		Projector: control.Projector{Name: ProjectorName(c.Name, c.Set), Base: c.Name},
		Set:       c.Set, Layouts: layouts, Log: c.Log, Postgres: c.Postgres,
		BatchEvents: c.BatchEvents, CacheBytes: c.CacheBytes, ParkedMax: c.ParkedMax, LeaseTTL: c.LeaseTTL,
		BuildAbove: c.BuildAbove, BuildBytes: c.BuildBytes, BuildDir: c.BuildDir, BuildRate: c.BuildRate,
		Logger: c.Logger, Parked: c.Observer.Parked, Halted: c.Observer.Halted, Building: c.Observer.Building,
	}
	if folded := c.Observer.Folded; folded != nil {
		o.Folded = func(f fold.Folded) {
			folded(Folded{Position: f.Position, Events: f.Events, Took: f.Took, Effort: Effort(f.Effort)})
		}
	}
	return o
}

// Name is the projector's whole name: main@3f2a91bc.
func (p *Projector) Name() string { return p.own.Projector.Name }

// How long the projector waits between tries after infrastructure's errors.
const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second
)

// Run folds until ctx ends, and then returns nil, or until a fault halts it, and
// then returns the *projections.FoldError. Infrastructure's errors are tried again
// for as long as ctx lasts. A checkpoint of another log is an error at once.
func (p *Projector) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = retryFirst, retryMost
	p.noted = true
	healthy := func() {
		wait.Reset()
		p.forgetTrouble(ctx)
	}
	for {
		err := p.run(ctx, healthy)
		switch {
		case ctx.Err() != nil:
			return nil
		case final(err):
			return err
		case turnIsOver(err):
			continue // nothing is wrong: read the state again
		}
		pause := wait.NextBackOff()
		p.interrupted(ctx, err, pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// final reports whether trying again cannot help.
func final(err error) bool {
	var fault *projections.FoldError
	return errors.As(err, &fault) || errors.Is(err, eventlog.ErrForeignPosition) || errors.Is(err, eventlog.ErrTruncated) || errors.Is(err, eventlog.ErrMoved) ||
		errors.Is(err, control.ErrDefinition) || application.Refused(err) || pooler.Refused(err)
}

// turnIsOver reports whether only what the worker knows of rows is out of date: an operator
// repaired rows, a generation was handed over, another worker took over, or events were parked.
func turnIsOver(err error) bool {
	return errors.Is(err, control.ErrFenced) || errors.Is(err, control.ErrMoved) || errors.Is(err, fold.ErrAgain)
}

// interrupted reports an error of the infrastructure, after which the worker pauses.
func (p *Projector) interrupted(ctx context.Context, err error, pause time.Duration) {
	if class, code := session.ClassOf(err); class == session.Permanent {
		p.cfg.Logger.ErrorContext(ctx, "projector cannot work until the cause of the error is repaired; it tries again meanwhile", "projector", p.Name(), "error", err, "code", code, "retry_in", pause)
	} else {
		p.cfg.Logger.WarnContext(ctx, "projector interrupted; it continues from its checkpoint", "projector", p.Name(), "error", err, "retry_in", pause)
	}
	p.noteTrouble(ctx, err)
	if p.cfg.Observer.Interrupted != nil {
		p.cfg.Observer.Interrupted(err)
	}
}

// run is one ownership: the worker waits for the lease and folds until it has lost it.
func (p *Projector) run(ctx context.Context, healthy func()) error {
	w, err := own.Start(ctx, &p.own, p.logWaiting)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := p.tidy(w.Context(), w); err != nil {
		return w.Why(err)
	}
	stop, err := p.startWatch(w.Context(), w)
	if err != nil {
		return w.Why(err)
	}
	defer stop()
	for {
		err := p.follow(w.Context(), w, healthy)
		if !turnIsOver(err) {
			return w.Why(err)
		}
		// Another turn begins, over the same connection while the lease is still ours.
		if err := w.Resume(w.Context()); err != nil {
			return w.Why(err)
		}
	}
}

// logWaiting logs, once per lease holder, which worker holds the lease.
func (p *Projector) logWaiting(owner string) {
	if p.waitedFor == owner {
		return
	}
	p.waitedFor = owner
	p.cfg.Logger.Info("another worker owns the projector; this one takes over when that one ends", "projector", p.Name(), "owner", owner)
}
