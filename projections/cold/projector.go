package cold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
)

// Projector writes the facts of a set into ClickHouse. It is safe for concurrent use,
// but for a second Run.
type Projector struct {
	cfg      Config
	database string
	// at is called at every step of the ledger; tests stop a worker there.
	at func(step) error
	// silenceMax and comeBackAfter are the constants; tests do not wait for them.
	silenceMax, comeBackAfter time.Duration
	// Of Run: whether it has worked, and whether others have begun other definitions since.
	worked, superseded bool
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
	stepReady       step = "ready"       // what the last worker left is brought to its end
)

// Open checks a configuration, connects to ClickHouse and refuses stores of another
// application. Nothing runs before Run.
func Open(ctx context.Context, cfg Config) (*Projector, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("cold projector: %w", err)
	}
	p := &Projector{cfg: cfg, at: func(step) error { return nil }, silenceMax: silenceMax, comeBackAfter: comeBackAfter}
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

// Run writes until ctx ends, and then answers nil, or until a fault halts it, and then
// answers that: a *projections.FoldError, or a *TornBlockError. Infrastructure's errors
// are tried again for as long as ctx lasts. While another worker of the same name runs,
// it waits to take over. A checkpoint of another log is an error at once.
func (p *Projector) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = retryFirst, retryMost
	for {
		err := p.run(ctx, wait.Reset)
		switch {
		case ctx.Err() != nil:
			return nil
		case halts(err), errors.Is(err, eventlog.ErrForeignPosition), errors.Is(err, eventlog.ErrTruncated), errors.Is(err, eventlog.ErrMoved), refused(err):
			return err
		}
		pause := wait.NextBackOff()
		p.cfg.Logger.WarnContext(ctx, "cold projector interrupted; it goes on from its ledger", "projector", p.cfg.Name, "error", err, "retry_in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// halts says whether the same would happen again however often it is tried.
func halts(err error) bool {
	var fold *projections.FoldError
	var torn *TornBlockError
	return errors.As(err, &fold) || errors.As(err, &torn)
}

// refused reports whether the stores are not this application's.
func refused(err error) bool {
	var strange *StrangeTablesError
	return application.Refused(err) || errors.As(err, &strange)
}

// worker is one turn at the work: from taking over to the first error.
type worker struct {
	*Projector
	conn  *pgxpool.Conn
	state checkpoint
	// skew is ClickHouse's clock less ours.
	skew time.Duration
	// tidied is when it last looked for tables that nobody needs any more.
	tidied time.Time
	// live says that the checkpoint's row calls the projector so.
	live bool
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
	if err := w.begin(ctx); err != nil {
		return w.haltIf(ctx, err)
	}
	healthy()
	return w.haltIf(ctx, w.follow(ctx, healthy))
}

// begin takes over and brings to its end what the last worker left.
func (w *worker) begin(ctx context.Context) error {
	// First: whoever cannot reach ClickHouse takes nothing over.
	if err := w.measureSkew(ctx); err != nil {
		return err
	}
	if err := w.claim(ctx); err != nil {
		return err
	}
	if err := w.takeOver(ctx); err != nil {
		return err
	}
	if err := w.makeTables(ctx); err != nil {
		return err
	}
	if err := w.publish(ctx); err != nil {
		return err
	}
	if err := w.show(ctx); err != nil {
		return err
	}
	if err := w.dropOld(ctx); err != nil {
		return err
	}
	if err := w.recover(ctx); err != nil {
		return err
	}
	return w.at(stepReady)
}

// follow writes the log batch by batch.
func (w *worker) follow(ctx context.Context, healthy func()) error {
	r := startReader(ctx, w.cfg, w.state.position)
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
		if time.Since(w.tidied) >= tidyEvery {
			if err := w.dropOld(ctx); err != nil {
				return err
			}
		}
	}
}

// rest is the step of a worker that has nothing to write: without it, one whose log is
// quiet would never see that a rebuild was ordered, nor say that it has caught up.
func (w *worker) rest(ctx context.Context, _ *batch) error {
	var epoch int64
	err := w.conn.QueryRow(ctx, `select epoch from readside.cold_checkpoint where name = $1`, w.cfg.Name).Scan(&epoch)
	if err != nil {
		return fmt.Errorf("cold projector %s: look whether a rebuild was ordered: %w", w.cfg.Name, explain(err))
	}
	if epoch != w.state.epoch {
		return errFenced
	}
	if w.live {
		return nil
	}
	return w.noteLive(ctx)
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
	for _, block := range b.blocks {
		if err := w.insert(ctx, block); err != nil {
			return err
		}
		if err := w.at(stepSent); err != nil {
			return err
		}
	}
	return w.finish(ctx, b, started)
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
	if len(b.blocks) > 0 {
		if err := w.publish(ctx); err != nil {
			return err
		}
	} else if err := w.mark(ctx); err != nil {
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
