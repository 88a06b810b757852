package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
)

// Projector folds a set of views in a single pass over the log: all its views stand
// at the same position, always.
type Projector struct {
	cfg     Config
	layouts []*hot.Layout
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
	return &Projector{cfg: cfg, layouts: layouts}, nil
}

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
	prepare := p.prepare
	for {
		err := p.run(ctx, prepare, func() { prepare = p.find }, wait.Reset)
		var fault *projections.FoldError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &fault), errors.Is(err, eventlog.ErrForeignPosition), errors.Is(err, eventlog.ErrTruncated), errors.Is(err, errDefinition):
			return err
		case errors.Is(err, errMoved), errors.Is(err, errSwitched):
			continue // nothing is wrong: read the state anew
		}
		pause := wait.NextBackOff()
		p.cfg.Logger.WarnContext(ctx, "projector interrupted; it goes on from its checkpoint", "projector", p.cfg.Name, "error", err, "retry_in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// errSwitched says that a rebuild made another generation live.
var errSwitched = errors.New("another generation became live")

// run is one connection's life.
func (p *Projector) run(ctx context.Context, prepare preparation, prepared, healthy func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, p.cfg.Postgres)
	if err != nil {
		return fmt.Errorf("connect the projector: %w", err)
	}
	defer closeConn(conn)
	tables, err := prepare(ctx, conn)
	if fault := (*projections.FoldError)(nil); errors.As(err, &fault) {
		return p.halt(ctx, conn, fault)
	}
	if err != nil {
		return err
	}
	prepared()
	from, err := readCheckpoint(ctx, conn, p.cfg.Name, "", p.cfg.Log.Start())
	if err != nil {
		return err
	}
	session, err := hot.NewSession(ctx, conn.PgConn())
	if err != nil {
		return err
	}
	w := &worker{Projector: p, conn: conn, session: session, tables: tables, healthy: healthy}
	return w.follow(ctx, from)
}

// preparation answers the live table of every view of the set.
type preparation func(ctx context.Context, conn *pgx.Conn) ([]*hot.Table, error)

// prepare sees to it that every view of the set has a live generation that holds
// what this code folds, building those that are missing or of other code, and that
// no other view claims to stand at the checkpoint.
func (p *Projector) prepare(ctx context.Context, conn *pgx.Conn) ([]*hot.Table, error) {
	if err := openCheckpoint(ctx, conn, p.cfg.Name, p.cfg.Log.Start()); err != nil {
		return nil, err
	}
	tables := make([]*hot.Table, len(p.layouts))
	for i, l := range p.layouts {
		table, err := p.prepareView(ctx, conn, l)
		if err != nil {
			return nil, err
		}
		tables[i] = hot.NewTable(l, table)
	}
	return tables, retireOthers(ctx, conn, p.cfg.Name, p.cfg.Set)
}

// find is prepare for a projector that was prepared before: it builds nothing. Where
// a view is not live as this code defines it, a projector of other code was started
// since. Two that built their views in turn would never get on.
func (p *Projector) find(ctx context.Context, conn *pgx.Conn) ([]*hot.Table, error) {
	tables := make([]*hot.Table, len(p.layouts))
	for i, l := range p.layouts {
		g, ok, err := liveGeneration(ctx, conn, p.cfg.Name, l.Model)
		if err != nil {
			return nil, err
		}
		if !ok || g.fingerprint != l.Model.Fingerprint() {
			return nil, p.takenOver()
		}
		tables[i] = hot.NewTable(l, g.table)
	}
	var live int
	if err := conn.QueryRow(ctx, `select count(*) from readside.views where projector = $1 and state = 'live'`, p.cfg.Name).Scan(&live); err != nil {
		return nil, fmt.Errorf("count the live views of projector %s: %w", p.cfg.Name, err)
	}
	if live != len(tables) {
		return nil, p.takenOver()
	}
	return tables, nil
}

func (p *Projector) takenOver() error {
	return fmt.Errorf("%w %s: a projector of this name with other definitions of its views took over: stop one of the two, and start this one again if it is to fold",
		errDefinition, p.cfg.Name)
}

func (p *Projector) prepareView(ctx context.Context, conn *pgx.Conn, l *hot.Layout) (table string, err error) {
	g, ok, err := liveGeneration(ctx, conn, p.cfg.Name, l.Model)
	if err != nil {
		return "", err
	}
	if ok && g.fingerprint == l.Model.Fingerprint() {
		return g.table, nil
	}
	if ok {
		p.cfg.Logger.InfoContext(ctx, "the view's definition changed; building it anew", "view", l.Model.Name, "version", l.Model.Version)
	}
	result, err := p.build(ctx, conn, l.Model)
	if err != nil {
		return "", fmt.Errorf("build view %s: %w", l.Model.Name, err)
	}
	return result.Table, nil
}

// worker folds over one connection.
type worker struct {
	*Projector
	conn    *pgx.Conn
	session *hot.Session
	tables  []*hot.Table
	healthy func()
}

// follow folds what the reader reads ahead.
func (w *worker) follow(ctx context.Context, from eventlog.Position) error {
	r := startReader(ctx, w.cfg, from)
	defer r.close()
	for {
		select {
		case b := <-r.batches:
			if err := w.fold(ctx, b); err != nil {
				return err
			}
			w.healthy()
		case err := <-r.failed:
			return err
		}
	}
}

// fold folds a batch, and where it faults, what stands before the fault.
func (w *worker) fold(ctx context.Context, b *batch) error {
	err := w.apply(ctx, b)
	var fault *projections.FoldError
	if err == nil && b.fault != nil {
		return w.halt(ctx, w.conn, b.fault)
	}
	if !errors.As(err, &fault) {
		return err
	}
	if !fault.Position.IsZero() && fault.Position.Place() > b.from.Place()+1 {
		if err := w.applyBefore(ctx, b.from, fault.Position); err != nil && !errors.As(err, new(*projections.FoldError)) {
			return err
		}
	}
	return w.halt(ctx, w.conn, fault)
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

func (p *Projector) halt(ctx context.Context, conn *pgx.Conn, fault *projections.FoldError) error {
	if err := recordHalt(ctx, conn, p.cfg.Name, fault); err != nil {
		return err
	}
	p.cfg.Logger.ErrorContext(ctx, "projector HALTED", "projector", p.cfg.Name, "view", fault.View, "key", fault.Key,
		"position", fault.Position.String(), "place", fault.Position.Place(), "type", fault.Type, "stream", fault.Stream,
		"error", fault.Err.Error(), "hint", fault.Hint)
	if p.cfg.Observer.Halted != nil {
		p.cfg.Observer.Halted(fault)
	}
	return fault
}

// apply folds a batch in one transaction.
func (w *worker) apply(ctx context.Context, b *batch) error {
	started := time.Now()
	if err := w.transact(ctx, b); err != nil {
		w.rollback(ctx)
		return err
	}
	if w.cfg.Observer.Folded != nil {
		w.cfg.Observer.Folded(Folded{Position: b.next, Events: len(b.events), Took: time.Since(started)})
	}
	return nil
}

func (w *worker) transact(ctx context.Context, b *batch) error {
	f := newFolding(w.cfg.Set, w.session, w.tables, b)
	var place, epoch int64
	w.session.Queue("begin")
	w.session.Add(hot.Op{SQL: lockCheckpointSQL, Params: [][]byte{[]byte(w.cfg.Name)}, Rows: 1, Each: hot.Int64s(&place, &epoch)})
	current := w.queueGenerations()
	f.load()
	if err := w.session.Flush(ctx); err != nil {
		return err
	}
	if place != b.from.Place() {
		return errMoved
	}
	if !current() {
		return errSwitched
	}
	if err := f.write(ctx); err != nil {
		return err
	}
	events, last := b.folded()
	state := "catching_up"
	if b.caughtUp {
		state = "live"
	}
	w.session.Add(hot.Op{SQL: moveCheckpointSQL, Rows: 1, Params: [][]byte{
		[]byte(w.cfg.Name), hot.Int64(b.next.Place()), hot.Int64(int64(events)), []byte(state), hot.TimeOrNull(last), hot.Int64(place), hot.Int64(epoch),
	}})
	if err := w.session.Flush(ctx); err != nil {
		return err // a write that did not find its row must not be committed with the rest
	}
	w.session.Queue("commit")
	return w.session.Flush(ctx)
}

// queueGenerations asks which generations are live; the answer says whether they are
// the ones that the worker writes to.
func (w *worker) queueGenerations() (current func() bool) {
	live := map[string]bool{}
	w.session.Add(hot.Op{
		SQL:    `select table_name from readside.views where projector = $1::text and state = 'live'`,
		Params: [][]byte{[]byte(w.cfg.Name)}, Rows: -1,
		Each: func(values [][]byte) error { live[string(values[0])] = true; return nil },
	})
	return func() bool {
		for _, t := range w.tables {
			if !live[t.Name] {
				return false
			}
		}
		return len(live) == len(w.tables) // another would stay behind the checkpoint
	}
}

// rollback ends a failed transaction. Where the connection is gone, so is the transaction.
func (w *worker) rollback(ctx context.Context) {
	w.session.Discard()
	if !w.conn.IsClosed() {
		_, _ = w.conn.Exec(ctx, "rollback")
	}
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is closed in any case
}
