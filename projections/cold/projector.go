package cold

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/pooler"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
)

// Projector writes the facts of a set into ClickHouse. It is safe for concurrent use,
// but for a second Run.
type Projector struct {
	cfg      Config
	database string
	// at is called at every step of the ledger; tests stop a worker there. onRetry is told
	// why a turn ended that is followed by another.
	at      func(step) error
	onRetry func(error)
	// silenceMax and comeBackAfter are the constants; tests do not wait for them.
	silenceMax, comeBackAfter time.Duration
	// Of Run: whether it has worked, and whether others have begun other definitions since.
	worked, superseded bool
	// rebuilds is the projector whose tables this one builds anew beside it; empty for all
	// others. atRebuild is its at.
	rebuilds  string
	atRebuild func(step) error
	// watchRest is the constant; tests do not wait for it.
	watchRest time.Duration
	// senders is how many blocks are sent at the same time.
	senders int
	// beside runs a rebuild while this projector goes on.
	beside   *beside
	suspects suspects
}

// step is a place between two effects on a store, where a worker may die.
type step string

const (
	stepPlanned     step = "planned"     // the ledger knows the blocks, ClickHouse none
	stepSent        step = "sent"        // a block is in
	stepInserted    step = "inserted"    // all blocks are in, the ledger does not know
	stepDone        step = "done"        // the checkpoint is moved, the watermark not published
	stepCounted     step = "counted"     // recovery has counted a block
	stepRenewed     step = "renewed"     // recovery has planned a new token
	stepWithdrawing step = "withdrawing" // recovery is about to take a block out
	stepSpent       step = "spent"       // recovery has spent a token, and not deleted the block yet
	stepWithdrawn   step = "withdrawn"   // recovery has taken a block out
	stepMaking      step = "making"      // the ledger knows the tables, and they are about to be made
	stepShown       step = "shown"       // the mart shows a new generation, the old tables are still there
	stepAnnounced   step = "announced"   // queries read the new generation, Postgres does not know
	stepAdopted     step = "adopted"     // the generation that was built beside is the projector's
	stepRested      step = "rested"      // nothing came; orders were looked for
	stepReady       step = "ready"       // what the last worker left is brought to its end
)

// sendersMost is how many blocks of one batch are sent at the same time: each waits for the
// disk, and ClickHouse's other queries need their share of the machine.
const sendersMost = 4

// Open checks a configuration, connects to ClickHouse and refuses stores of another
// application. Nothing runs before Run.
func Open(ctx context.Context, cfg Config) (*Projector, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("cold projector: %w", err)
	}
	nowhere := func(step) error { return nil }
	p := &Projector{cfg: cfg, at: nowhere, atRebuild: nowhere, silenceMax: silenceMax, comeBackAfter: comeBackAfter, senders: sendersMost, watchRest: watchRest}
	if err := cfg.ClickHouse.QueryRow(ctx, "SELECT currentDatabase()").Scan(&p.database); err != nil {
		return nil, fmt.Errorf("cold projector %s: ask ClickHouse for the database: %w", cfg.Name, err)
	}
	if p.cfg.Mart == "" {
		p.cfg.Mart = MartDatabase(p.database)
	}
	if err := p.checkOwner(ctx); err != nil {
		return nil, fmt.Errorf("cold projector %s: %w", cfg.Name, err)
	}
	return p, nil
}

// Mart is the database of the analysts' views.
func (p *Projector) Mart() string { return p.cfg.Mart }

// How long the projector waits between tries after infrastructure's errors.
const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second
)

// Run writes until ctx ends, and then returns nil, or until a fault halts it, and then
// returns that: a *projections.FoldError, or a *TornBlockError. Infrastructure's errors
// are tried again for as long as ctx lasts. While another worker of the same name runs,
// it waits to take over. A checkpoint of another log is an error at once.
func (p *Projector) Run(ctx context.Context) error {
	p.suspects = suspects{} // places of another run may be another log's
	p.beside = p.startBeside(ctx)
	defer p.beside.stop()
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = retryFirst, retryMost
	return p.keepRunning(ctx, wait)
}

// keepRunning begins one turn after the other, until one ends for good.
func (p *Projector) keepRunning(ctx context.Context, wait *backoff.ExponentialBackOff) error {
	for {
		err := p.run(ctx, wait.Reset)
		switch {
		case ctx.Err() != nil:
			return nil
		case halts(err), errors.Is(err, eventlog.ErrForeignPosition), errors.Is(err, eventlog.ErrTruncated), errors.Is(err, eventlog.ErrMoved),
			errors.Is(err, errNoRebuild), errors.Is(err, errOtherRebuild), errors.Is(err, errAdopted), refused(err):
			return err
		case p.suspect(ctx, err):
			continue // it is looked for in smaller batches
		}
		if p.onRetry != nil {
			p.onRetry(err)
		}
		pause := wait.NextBackOff()
		p.cfg.Logger.WarnContext(ctx, "cold projector interrupted; it goes on from its ledger", "projector", p.cfg.Name, "error", err, "retry_in", pause)
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

// halts reports whether the same would happen again however often it is tried.
func halts(err error) bool {
	var fold *projections.FoldError
	var torn *TornBlockError
	return errors.As(err, &fold) || errors.As(err, &torn)
}

// refused reports whether the stores are not this application's, or not to be reached as
// they must be.
func refused(err error) bool {
	var strange *StrangeTablesError
	return application.Refused(err) || pooler.Refused(err) || errors.As(err, &strange)
}

// worker is one turn at the work: from taking over to the first error.
type worker struct {
	*Projector
	conn  *pgxpool.Conn
	state checkpoint
	// standing is whom ClickHouse followed when the turn began, incarnation the log's.
	standing    standing
	incarnation int32
	// skew is ClickHouse's clock less ours.
	skew time.Duration
	// tidied is when it last looked for tables that nobody needs any more.
	tidied time.Time
	// live reports whether the checkpoint's row calls the projector so.
	live bool
	// beaten is when it last gave a sign of life.
	beaten time.Time
	// skip are the discarded events that are still to come, waiting how many events wait in
	// the ledger, shown how many the mart says; -1 for not known.
	skip           map[factPlace]bool
	waiting, shown int
	// published counts what was told of them.
	published uint64
	// switched is when the mart last went over to other tables, narrowed when its views last
	// ceased to name former ones, as far as this worker knows; untidy says that former ones
	// may still be there.
	switched, narrowed time.Time
	untidy             bool
}

func (p *Projector) run(ctx context.Context, healthy func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := p.lease(ctx)
	if err != nil {
		return err
	}
	defer giveUp(conn)
	w := &worker{Projector: p, conn: conn}
	if err = w.begin(ctx); err == nil {
		healthy()
		err = w.followWatched(ctx, healthy)
	}
	err = w.haltIf(ctx, err)
	w.noteTrouble(ctx, err)
	return err
}

// begin takes over and brings to its end what the last worker left.
func (w *worker) begin(ctx context.Context) error {
	// First: a worker that cannot reach ClickHouse takes nothing over.
	if err := w.measureSkew(ctx); err != nil {
		return err
	}
	if err := w.claim(ctx); err != nil {
		return err
	}
	if err := w.ours(ctx); err != nil {
		return err
	}
	if err := w.takeOver(ctx); err != nil {
		return err
	}
	if err := w.takeClickHouse(ctx); err != nil {
		return err
	}
	if err := w.loadParked(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{w.makeControlTables, w.makeTables, w.publish, w.showAgain, w.show, w.recover, w.orders} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return w.at(stepReady)
}

// followWatched writes the log, and beside it compares the facts with it.
func (w *worker) followWatched(ctx context.Context, healthy func()) error {
	stop, err := w.startWatch(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return w.follow(ctx, healthy)
}

// follow writes the log batch by batch.
func (w *worker) follow(ctx context.Context, healthy func()) error {
	r := startReader(ctx, w.cfg, w.state.position, w.leave)
	defer r.close()
	for {
		b, err := r.batch(ctx)
		if err != nil {
			return err
		}
		step := w.write
		if b.to == b.from {
			step = w.rest
		}
		if err := step(ctx, b); err != nil {
			return err
		}
		if b.fault != nil {
			return b.fault
		}
		healthy()
		if err := w.orders(ctx); err != nil {
			return err
		}
	}
}

// rest is the step of a worker that has nothing to write: one whose log is quiet would
// never say that it has caught up, and that of a rebuild never hand its tables over.
func (w *worker) rest(ctx context.Context, _ *batch) error {
	if !w.live {
		if err := w.noteLive(ctx); err != nil {
			return err
		}
	}
	if err := w.beat(ctx); err != nil {
		return err
	}
	if err := w.show(ctx); err != nil {
		return err
	}
	return w.at(stepRested)
}

// noteLive calls a worker live that began where the log ends: no batch does it for one.
func (w *worker) noteLive(ctx context.Context) error {
	tag, err := w.conn.Exec(ctx, `update readside.cold_checkpoint set state = 'live', updated_at = clock_timestamp()
where name = $1 and epoch = $2 and place >= (select coalesce(max(position), 0) from eventlog.events)`, w.cfg.Name, w.state.epoch)
	if err != nil {
		return fmt.Errorf("cold projector %s: note that it has caught up: %w", w.cfg.Name, explain(err))
	}
	w.live = tag.RowsAffected() == 1
	return nil
}

// write brings a batch into ClickHouse by the ledger.
func (w *worker) write(ctx context.Context, b *batch) error {
	started := time.Now()
	if err := w.plan(ctx, b); err != nil {
		return err
	}
	if err := w.at(stepPlanned); err != nil {
		return err
	}
	if err := w.sendAll(ctx, b); err != nil {
		return err
	}
	w.taken()
	return w.finish(ctx, b, started)
}

// sendAll sends a batch's blocks, some at the same time. After an error those under way
// still come to their end, so that of each it is known what became of it. It returns a
// *refusedError only where every block sent was answered.
func (w *worker) sendAll(ctx context.Context, b *batch) error {
	var group errgroup.Group
	group.SetLimit(w.senders)
	var failed atomic.Bool
	errs := make([]error, len(b.blocks))
	for i, block := range b.blocks {
		group.Go(func() error {
			if failed.Load() {
				return nil
			}
			errs[i] = w.sendOne(ctx, b, block)
			if errs[i] != nil {
				failed.Store(true)
			}
			return nil
		})
	}
	_ = group.Wait()
	return worst(errs)
}

// sendOne sends one block.
func (w *worker) sendOne(ctx context.Context, b *batch, block *block) error {
	err := w.insert(ctx, block)
	if refusal(err) {
		return &refusedError{fact: block.fact, batch: b, epoch: w.state.epoch, err: err}
	}
	if err != nil {
		return err
	}
	return w.at(stepSent)
}

// worst is the error to go by: one that leaves open what became of its block, before a
// refusal.
func worst(errs []error) error {
	var found error
	for _, err := range errs {
		var refused *refusedError
		if err != nil && (found == nil || !errors.As(err, &refused)) {
			found = err
		}
	}
	return found
}

// finish is what follows once all of a batch's blocks are in.
func (w *worker) finish(ctx context.Context, b *batch, started time.Time) error {
	if err := w.at(stepInserted); err != nil {
		return err
	}
	if err := w.done(ctx, b); err != nil {
		return err
	}
	if err := w.at(stepDone); err != nil {
		return err
	}
	published := w.publish
	if b.empty() {
		published = w.mark
	}
	if err := published(ctx); err != nil {
		return err
	}
	if err := w.tellParked(ctx); err != nil {
		return err
	}
	if err := w.show(ctx); err != nil {
		return err
	}
	if w.cfg.Observer.Written != nil {
		w.cfg.Observer.Written(Written{Position: b.to, Rows: b.rows, Blocks: len(b.blocks), Took: time.Since(started)})
	}
	return nil
}

// haltIf writes down why the projector halts, if it does.
func (w *worker) haltIf(ctx context.Context, err error) error {
	if !halts(err) {
		return err
	}
	fault := faultOf(err)
	if recordErr := w.recordHalt(ctx, fault); recordErr != nil {
		return recordErr // tried again, and met again
	}
	w.cfg.Logger.ErrorContext(ctx, "cold projector HALTED", "projector", w.cfg.Name, "table", fault.Table,
		"position", fault.Position.String(), "place", fault.Position.Place(), "type", fault.Type, "stream", fault.Stream,
		"error", fault.Error, "hint", fault.Hint)
	if w.cfg.Observer.Halted != nil {
		w.cfg.Observer.Halted(err)
	}
	return err
}
