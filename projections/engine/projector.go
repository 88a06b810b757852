package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
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
	// waitedFor is the owner that this worker last told to be waiting for.
	waitedFor string
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
	return &Projector{cfg: cfg, name: ProjectorName(cfg.Name, cfg.Set), layouts: layouts}, nil
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

// Run folds until ctx ends, and then answers nil, or until a fault halts it, and
// then answers the *projections.FoldError. Infrastructure's errors are tried again
// for as long as ctx lasts. A checkpoint of another log is an error at once.
func (p *Projector) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = retryFirst, retryMost
	for {
		err := p.run(ctx, wait.Reset)
		var fault *projections.FoldError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &fault), errors.Is(err, eventlog.ErrForeignPosition), errors.Is(err, eventlog.ErrTruncated), errors.Is(err, errDefinition):
			return err
		case errors.Is(err, errMoved), errors.Is(err, errFenced):
			continue // nothing is wrong: read the state anew
		}
		pause := wait.NextBackOff()
		p.cfg.Logger.WarnContext(ctx, "projector interrupted; it goes on from its checkpoint", "projector", p.name, "error", err, "retry_in", pause)
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
	if err := w.dropUnneeded(w.ctx); err != nil {
		return w.why(err)
	}
	return w.why(w.follow(w.ctx))
}

// start connects, takes the lease and finds or makes the projector's tables. With wait
// false it answers ErrOwned where another worker has the lease.
func (p *Projector) start(ctx context.Context, wait bool) (*worker, error) {
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
	return w.why(w.prepare(w.ctx))
}

// worker folds over one connection, as the owner of a projector.
type worker struct {
	*Projector
	lease *lease
	// ctx ends with the lease.
	ctx     context.Context
	conn    *pgx.Conn
	session *hot.Session
	tables  []*hot.Table
	// cache is the folder's while batches are folded ahead.
	cache *cache
	ahead *ahead
	// committed is the number of the last batch that is.
	committed atomic.Int64
	// building says that readers do not see the views yet.
	building bool
	// at is the checkpoint.
	at      eventlog.Position
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

// prepare finds the tables that the projector writes to, and makes those that are
// missing.
func (w *worker) prepare(ctx context.Context) (err error) {
	if err := w.clearHalt(ctx, w.conn); err != nil {
		return err
	}
	if w.at, err = readCheckpoint(ctx, w.conn, w.name, "", w.cfg.Log.Start()); err != nil {
		return err
	}
	w.tables = make([]*hot.Table, len(w.layouts))
	for i, l := range w.layouts {
		g, err := w.generationOf(ctx, l)
		if err != nil {
			return fmt.Errorf("prepare the table of view %s: %w", l.Model.Name, err)
		}
		w.tables[i] = hot.NewTable(l, g.table)
		w.building = w.building || g.state == genBuilding
	}
	w.cache = newCache(w.cfg.Set, w.tables, w.cfg.CacheBytes)
	w.session, err = hot.NewSession(ctx, w.conn.PgConn())
	return err
}

func (w *worker) generationOf(ctx context.Context, l *hot.Layout) (g generation, err error) {
	err = pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		var ok bool
		if g, ok, err = writtenGeneration(ctx, tx, w.name, l.Model); ok || err != nil {
			return err
		}
		if w.at.Place() > 0 {
			return fmt.Errorf("%w: %s stands at place %d and its view %s has no table: drop the projector's row in readside.projectors and project again",
				errDefinition, w.name, w.at.Place(), l.Model.Name)
		}
		if g, err = w.addGeneration(ctx, tx, l); err != nil {
			return err
		}
		return createIndexes(ctx, tx, l, g.table)
	})
	return g, err
}

// dropUnneeded drops what no reader needs any more.
func (w *worker) dropUnneeded(ctx context.Context) error {
	if err := w.dropRetired(ctx, w.conn); err != nil {
		return err
	}
	if w.building {
		return nil // until this one serves, a former one does
	}
	return w.dropFormer(ctx, w.conn)
}

// follow folds what the reader reads ahead.
func (w *worker) follow(ctx context.Context) error {
	if err := w.activateEmpty(ctx); err != nil {
		return err
	}
	r := startReader(ctx, w.cfg, w.at)
	defer r.close()
	batches := (<-chan *batch)(r.batches)
	if w.cache.flat() {
		if err := w.foldAhead(ctx, batches); err != nil {
			return err
		}
		defer w.stopAhead()
		batches = nil
	}
	for {
		select {
		case f := <-w.folded():
			if err := w.advance(ctx, f.batch, f); err != nil {
				return err
			}
			w.healthy()
		case b := <-batches:
			if err := w.fold(ctx, b); err != nil {
				return err
			}
			w.healthy()
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
	return w.apply(ctx, &batch{from: w.at, next: w.at, caughtUp: true})
}

// fold folds a batch, and where it faults, what stands before the fault.
func (w *worker) fold(ctx context.Context, b *batch) error { return w.advance(ctx, b, nil) }

// advance is fold for a batch that may be folded already, by f.
func (w *worker) advance(ctx context.Context, b *batch, f *folding) error {
	err := w.commit(ctx, b, f)
	var fault *projections.FoldError
	if err == nil && b.fault != nil {
		return w.halt(ctx, b.fault)
	}
	if !errors.As(err, &fault) {
		return err
	}
	w.stopAhead()
	if !fault.Position.IsZero() && fault.Position.Place() > b.from.Place()+1 {
		if err := w.applyBefore(ctx, b.from, fault.Position); err != nil && !errors.As(err, new(*projections.FoldError)) {
			return err
		}
	}
	return w.halt(ctx, fault)
}

// applyBefore folds what stands before position p. It is read and decoded anew: what
// handlers keep of an event they may have changed already.
func (w *worker) applyBefore(ctx context.Context, from, p eventlog.Position) error {
	page, err := w.cfg.Log.Read(ctx, from, eventlog.Query{Types: w.cfg.Set.ViewTypes(), Limit: w.cfg.BatchEvents, Until: p.At(p.Place() - 1)})
	if err != nil {
		return err
	}
	b, err := decode(w.cfg.Set, from, page)
	if err != nil {
		return err
	}
	return w.apply(ctx, b)
}

func (w *worker) halt(ctx context.Context, fault *projections.FoldError) error {
	if err := w.recordHalt(ctx, w.conn, w.lease.epoch, fault); err != nil {
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

// apply folds a batch in one transaction.
func (w *worker) apply(ctx context.Context, b *batch) error { return w.commit(ctx, b, nil) }

// commit is apply for a batch that may be folded already, by f.
func (w *worker) commit(ctx context.Context, b *batch, f *folding) error {
	started := time.Now()
	if err := w.transact(ctx, b, f); err != nil {
		w.rollback(ctx)
		return err
	}
	if f == nil {
		w.cache.trim(w.cache.batch)
	} else {
		w.committed.Store(f.number)
		close(f.done)
	}
	w.at = b.next
	w.building = w.building && (!b.caughtUp || w.rebuilds != "")
	if w.cfg.Observer.Folded != nil {
		w.cfg.Observer.Folded(Folded{Position: b.next, Events: len(b.events), Took: time.Since(started)})
	}
	return nil
}

func (w *worker) transact(ctx context.Context, b *batch, f *folding) error {
	if f != nil && f.failed != nil {
		return f.failed
	}
	w.session.Queue("begin")
	w.session.Add(hot.Op{SQL: lockCheckpointSQL, Rows: 1, Checked: true, Otherwise: errFenced, Params: [][]byte{
		[]byte(w.name), hot.Int64(b.from.Place()), hot.Int64(w.lease.epoch),
	}})
	if f == nil {
		f = newFolding(w.cfg.Set, w.cache, w.session, w.session, b)
		if err := f.fold(ctx); err != nil {
			return err
		}
	} else {
		w.session.Add(f.out.Take()...)
	}
	events, last := b.folded()
	state := w.stateAfter(b)
	if w.building && b.caughtUp && w.rebuilds == "" {
		w.session.Add(hot.Op{SQL: activateSQL, Params: [][]byte{[]byte(w.name)}, Rows: len(w.tables)})
	}
	w.session.Add(hot.Op{SQL: moveCheckpointSQL, Rows: 1, Params: [][]byte{
		[]byte(w.name), hot.Int64(b.next.Place()), hot.Int64(int64(events)), []byte(state), hot.TimeOrNull(last), hot.Int64(b.from.Place()), hot.Int64(w.lease.epoch),
	}})
	return w.session.Commit(ctx) // with nothing that did not find its row
}

// stateAfter is what the projector is after a batch.
func (w *worker) stateAfter(b *batch) string {
	switch {
	case b.caughtUp && w.rebuilds == "":
		return "live"
	case w.building:
		return "building"
	}
	return "catching_up"
}

// rollback ends a failed transaction. Where the connection is gone, so is the transaction.
func (w *worker) rollback(ctx context.Context) {
	w.session.Discard()
	if w.ahead == nil {
		w.cache.drop()
	}
	if !w.conn.IsClosed() {
		_, _ = w.conn.Exec(ctx, "rollback")
	}
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is closed in any case
}
