package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/pooler"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/hot"
)

// Projector folds a set of views in a single pass over the log: all its views stand
// at the same position, always. Of several workers of one projector one folds, and the
// others wait to take over.
type Projector struct {
	cfg     Config
	name    string
	layouts []*hot.Layout
	// rebuilds is the name of the projector whose view this one builds anew, or empty.
	rebuilds string
	// watchRest is the constant; tests do not wait for it.
	watchRest time.Duration
	// waitedFor is the owner that this worker last told to be waiting for.
	waitedFor string
	// noted reports whether the projector's row may name a trouble that is over.
	noted bool
}

// New checks a configuration. Nothing runs before Run.
func New(cfg Config) (*Projector, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("projector: %w", err)
	}
	layouts, err := layoutsOf(cfg.Set)
	if err != nil {
		return nil, fmt.Errorf("projector: %w", err)
	}
	return &Projector{cfg: cfg, name: ProjectorName(cfg.Name, cfg.Set), layouts: layouts, watchRest: watchRest}, nil
}

// Name is the projector's whole name: main@3f2a91bc.
func (p *Projector) Name() string { return p.name }

func layoutsOf(set *projections.Set) ([]*hot.Layout, error) {
	var errs []error
	layouts := make([]*hot.Layout, len(set.Views()))
	for i, m := range set.Views() {
		l, err := hot.NewLayout(m)
		errs = append(errs, err)
		layouts[i] = l
	}
	return layouts, errors.Join(errs...)
}

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
		var fault *projections.FoldError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &fault), errors.Is(err, eventlog.ErrForeignPosition), errors.Is(err, eventlog.ErrTruncated), errors.Is(err, eventlog.ErrMoved), errors.Is(err, errDefinition), application.Refused(err), pooler.Refused(err):
			return err
		case errors.Is(err, errMoved), errors.Is(err, errFenced), errors.Is(err, errAgain):
			continue // nothing is wrong: read the state anew
		}
		pause := wait.NextBackOff()
		if class, code := session.ClassOf(err); class == session.Permanent {
			p.cfg.Logger.ErrorContext(ctx, "projector cannot work until somebody mends what the error says; it tries again meanwhile", "projector", p.name, "error", err, "code", code, "retry_in", pause)
		} else {
			p.cfg.Logger.WarnContext(ctx, "projector interrupted; it goes on from its checkpoint", "projector", p.name, "error", err, "retry_in", pause)
		}
		p.noteTrouble(ctx, err)
		if p.cfg.Observer.Interrupted != nil {
			p.cfg.Observer.Interrupted(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// run is one turn as the projector's owner.
func (p *Projector) run(ctx context.Context, healthy func()) error {
	w, err := p.start(ctx, true)
	if err != nil {
		return err
	}
	defer w.close()
	w.healthy = healthy
	if err := w.tidy(w.ctx); err != nil {
		return w.why(err)
	}
	stop, err := w.startWatch(w.ctx)
	if err != nil {
		return w.why(err)
	}
	defer stop()
	for {
		err := w.follow(w.ctx)
		if !errors.Is(err, errFenced) && !errors.Is(err, errAgain) && !errors.Is(err, errMoved) {
			return w.why(err)
		}
		// Somebody mended rows, handed a generation over, or events were parked: another
		// turn begins, over the same connection while the lease is still ours.
		if err := w.resume(w.ctx); err != nil {
			return w.why(err)
		}
	}
}

// resume begins another turn, where the worker still owns the projector.
func (w *worker) resume(ctx context.Context) error {
	var epoch int64
	err := w.conn.QueryRow(ctx, `select p.epoch from readside.projectors p join readside.leases l on l.projector = p.name where p.name = $1 and l.owner = $2`,
		w.name, w.lease.owner.String()).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return errFenced
	}
	if err != nil {
		return err
	}
	return w.open(ctx, epoch)
}

// start connects, takes the lease and finds or makes the projector's tables. With wait
// false it returns ErrOwned where another worker has the lease.
func (p *Projector) start(ctx context.Context, wait bool) (*worker, error) {
	// The server may be a copy of the one before: its log has taken the checkpoints along.
	if err := p.cfg.Log.Renew(ctx); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Postgres)
	if err != nil {
		return nil, fmt.Errorf("connect the projector: %w", err)
	}
	w := &worker{Projector: p, conn: conn, ctx: ctx, healthy: func() {}}
	if err := w.begin(ctx, wait); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *worker) begin(ctx context.Context, wait bool) (err error) {
	if err := w.openCheckpoint(ctx, w.conn); err != nil {
		return err
	}
	if w.lease, err = w.acquire(ctx, w.conn, wait); err != nil {
		return err
	}
	w.ctx = w.lease.keep(ctx)
	err = w.prepare(w.ctx)
	return w.why(w.halts(ctx, err))
}

// worker folds over one connection, as the owner of a projector. What it knows of rows
// is its turn.
type worker struct {
	*Projector
	lease *lease
	// ctx ends with the lease.
	ctx     context.Context
	conn    *pgx.Conn
	session *hot.Session
	// turn is replaced whole by open; nil before the first.
	*turn
	healthy func()
}

// close gives the lease back, after the connection: its locks go first.
func (w *worker) close() {
	closeConn(w.conn)
	if w.lease != nil {
		w.lease.release()
	}
}

// why is the reason that the lease was lost, where that is what ended the work.
func (w *worker) why(err error) error {
	if cause := context.Cause(w.ctx); cause != nil && errors.Is(err, context.Canceled) {
		return cause
	}
	return err
}

// prepare brings the projector to where batches can follow: with tables, which a first
// build may have to fill.
func (w *worker) prepare(ctx context.Context) error {
	if err := w.clearHalt(ctx, w.conn); err != nil {
		return err
	}
	at, _, err := w.findCheckpoint(ctx)
	if err != nil {
		return err
	}
	if w.rebuilds != "" {
		if err := w.openShadow(ctx); err != nil {
			return err
		}
	}
	b, err := w.openBuild(ctx, at)
	if err != nil {
		return err
	}
	create := (*hot.Layout).CreateTable
	if b != nil {
		create = (*hot.Layout).CreateHeap
	}
	if err := w.addGenerations(ctx, at, create); err != nil {
		return err
	}
	if err := w.open(ctx, w.lease.epoch); err != nil {
		return err
	}
	if b == nil {
		return nil
	}
	if err := b.run(ctx); err != nil {
		return err
	}
	return w.open(ctx, w.lease.epoch)
}

// findCheckpoint finds where the projector stands, and whether readers do not see its
// views yet.
func (w *worker) findCheckpoint(ctx context.Context) (at eventlog.Position, building bool, err error) {
	if at, err = readCheckpoint(ctx, w.conn, w.name, "", w.cfg.Log.Start()); err != nil {
		return at, false, err
	}
	err = w.conn.QueryRow(ctx, `select not exists (select from readside.views where projector = $1 and state = 'live')`, w.name).Scan(&building)
	return at, building, err
}

// open begins a turn in an epoch that was read before: it finds the checkpoint, the
// tables, and what is parked.
func (w *worker) open(ctx context.Context, epoch int64) (err error) {
	f := footing{epoch: epoch}
	if f.at, f.building, err = w.findCheckpoint(ctx); err != nil {
		return err
	}
	if f.tables, err = w.findTables(ctx, f.at); err != nil {
		return err
	}
	if f.parked, err = w.listParked(ctx, w.conn, ""); err != nil {
		return err
	}
	if w.session == nil {
		if w.session, err = hot.NewSession(ctx, w.conn.PgConn()); err != nil {
			return err
		}
	}
	w.take(w.cfg.Log, f)
	return nil
}

// take drops the turn that is over, whole, and begins the next.
func (w *worker) take(log history, f footing) {
	w.turn = newTurn(w.Projector, log, w.session, f)
}

// findTables finds the tables that the projector writes to.
func (w *worker) findTables(ctx context.Context, at eventlog.Position) ([]*hot.Table, error) {
	rows, err := w.conn.Query(ctx, `select view, table_name from readside.views where projector = $1 and state <> 'retired'`, w.name)
	if err != nil {
		return nil, fmt.Errorf("find the tables of projector %s: %w", w.name, explain(err))
	}
	names := map[string]string{}
	var view, table string
	if _, err := pgx.ForEachRow(rows, []any{&view, &table}, func() error { names[view] = table; return nil }); err != nil {
		return nil, fmt.Errorf("find the tables of projector %s: %w", w.name, explain(err))
	}
	tables := make([]*hot.Table, len(w.layouts))
	for i, l := range w.layouts {
		name := names[l.Model.Name]
		if name == "" {
			return nil, fmt.Errorf("%w: %s stands at place %d and its view %s has no table: drop the projector's row in readside.projectors and project again",
				errDefinition, w.name, at.Place(), l.Model.Name)
		}
		tables[i] = hot.NewTable(l, name)
	}
	return tables, nil
}

// addGenerations makes the tables of a projector that has folded nothing yet.
func (w *worker) addGenerations(ctx context.Context, at eventlog.Position, create func(*hot.Layout, string) string) error {
	if at.Place() > 0 {
		return nil
	}
	return w.fenced(ctx, func(tx pgx.Tx) error {
		for _, l := range w.layouts {
			if _, ok, err := writtenGeneration(ctx, tx, w.name, l.Model); ok || err != nil {
				if err != nil {
					return err
				}
				continue
			}
			if err := w.addGeneration(ctx, tx, l, create); err != nil {
				return fmt.Errorf("make the table of view %s: %w", l.Model.Name, err)
			}
		}
		return nil
	})
}

// follow folds what the reader reads ahead.
func (w *worker) follow(ctx context.Context) error {
	if err := w.activateEmpty(ctx); err != nil {
		return err
	}
	r := startReader(ctx, w.cfg, w.at)
	defer r.close()
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	batches := (<-chan *batch)(r.batches)
	if w.cache.flat() {
		if err := w.startAhead(ctx, batches); err != nil {
			return err
		}
		defer w.stopAhead()
		batches = nil
	}
	for {
		select {
		case f := <-w.folded():
			if err := w.halts(ctx, w.advance(ctx, f)); err != nil {
				return err
			}
			w.healthy()
		case b := <-batches:
			if err := w.fold(ctx, b); err != nil {
				return err
			}
			w.healthy()
		case <-tidy.C:
			if err := w.tidy(ctx); err != nil {
				return err
			}
		case err := <-r.failed:
			return err
		}
	}
}

// activateEmpty shows the views of a log in which there is nothing to fold: no batch
// comes that would.
func (w *worker) activateEmpty(ctx context.Context) error {
	if !w.building {
		return nil
	}
	head, err := w.cfg.Log.Head(ctx)
	if err != nil || head != w.at {
		return err
	}
	return w.fold(ctx, &batch{from: w.at, next: w.at, caughtUp: true})
}

// fold folds and writes a batch, or halts.
func (w *worker) fold(ctx context.Context, b *batch) error {
	return w.halts(ctx, w.turn.fold(ctx, b))
}

// halts records that the projector stands still, where err is a fault of an event that
// cannot be parked.
func (w *worker) halts(ctx context.Context, err error) error {
	var fault *projections.FoldError
	if !errors.As(err, &fault) {
		return err
	}
	if err := w.recordHalt(ctx, w.conn, w.epoch, fault); err != nil {
		return err
	}
	w.cfg.Logger.ErrorContext(ctx, "projector HALTED", "projector", w.name, "view", fault.View, "key", fault.Key,
		"position", fault.Position.String(), "place", fault.Position.Place(), "type", fault.Type, "stream", fault.Stream,
		"error", fault.Err.Error(), "hint", fault.Hint)
	if w.cfg.Observer.Halted != nil {
		w.cfg.Observer.Halted(fault)
	}
	return fault
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is closed in any case
}
