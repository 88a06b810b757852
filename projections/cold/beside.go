package cold

import (
	"context"
	"errors"
	"fmt"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

// rebuildSuffix is behind the name of the projector whose tables are built anew: "cold+rebuild".
const rebuildSuffix = "+rebuild"

var (
	// errNoRebuild is returned when nothing is built any more: it was ordered anew, or is done.
	errNoRebuild = errors.New("no rebuild of the facts is ordered any more")
	// errOtherRebuild is returned when a program of other definitions ordered the rebuild.
	errOtherRebuild = errors.New("the rebuild of the facts was ordered by other definitions")
	// errAdopted is returned when the tables built are the projector's.
	errAdopted = errors.New("the tables that were built anew were handed over")
)

// beside runs the rebuild of a projector while that goes on: a second projector with a
// checkpoint, a ledger and tables of its own. It is the projector's goroutine.
type beside struct {
	wake   chan int
	cancel context.CancelFunc
	done   chan struct{}
}

func (p *Projector) startBeside(ctx context.Context) *beside {
	ctx, cancel := context.WithCancel(ctx)
	b := &beside{wake: make(chan int, 1), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		given := 0 // the generation that halted, or is another program's
		for {
			select {
			case <-ctx.Done():
				return
			case generation := <-b.wake:
				if generation != given && p.rebuild(ctx) {
					given = generation
				}
			}
		}
	}()
	return b
}

// build begins to build a generation unless one is being built; 0 is none.
func (b *beside) build(generation int) {
	if generation == 0 {
		return
	}
	select {
	case b.wake <- generation:
	default: // it is at work
	}
}

func (b *beside) stop() {
	b.cancel()
	<-b.done
}

// rebuild builds what was ordered until it is handed over. It reports whether it is given
// up, until it is ordered again.
func (p *Projector) rebuild(ctx context.Context) (givenUp bool) {
	r := &Projector{
		cfg: p.cfg, database: p.database, at: p.atRebuild, rebuilds: p.cfg.Name, senders: p.senders,
		silenceMax: p.silenceMax, comeBackAfter: p.comeBackAfter,
	}
	r.cfg.Name += rebuildSuffix
	r.cfg.Observer.Written = nil
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = retryFirst, retryMost
	err := r.keepRunning(ctx, wait)
	switch {
	case err == nil || errors.Is(err, errNoRebuild):
		return false
	case errors.Is(err, errAdopted):
		p.cfg.Logger.InfoContext(ctx, "the facts were built anew; the mart goes over to them", "projector", p.cfg.Name)
		return false
	}
	p.cfg.Logger.ErrorContext(ctx, "the rebuild of the facts ended; the tables shown go on", "projector", p.cfg.Name, "error", err)
	return true
}

// adopt hands the tables that were built over to the projector, once they have come as far
// as its own, or to the end of the log: then the rest is a batch. The projector's worker
// finds its epoch raised, goes on with the new tables, and switches the mart to them.
func (w *worker) adopt(ctx context.Context) error {
	adopted := false
	err := pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		var shown int64
		// The projector's row first, as everybody who locks both.
		err := tx.QueryRow(ctx, `select place from readside.cold_checkpoint where name = $1 for update`, w.rebuilds).Scan(&shown)
		if err != nil {
			return err
		}
		var epoch int64
		err = tx.QueryRow(ctx, `select epoch from readside.cold_checkpoint where name = $1 for update`, w.cfg.Name).Scan(&epoch)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errNoRebuild
		case err != nil:
			return err
		case epoch != w.state.epoch:
			return errFenced
		case !w.live && w.state.position.Place() < shown:
			return nil
		}
		adopted = true
		return handOver(ctx, tx, w.rebuilds, w.cfg.Name)
	})
	if err != nil {
		return fmt.Errorf("cold projector %s: hand the new tables over: %w", w.cfg.Name, explain(err))
	}
	if !adopted {
		return nil
	}
	if err := w.at(stepAdopted); err != nil {
		return err
	}
	return errAdopted
}

// handOver makes the generation that was built beside a projector its own. What was planned
// for the old tables is forgotten with them.
func handOver(ctx context.Context, tx pgx.Tx, name, rebuild string) error {
	if _, err := tx.Exec(ctx, `delete from readside.cold_ledger where projector = $1`, name); err != nil {
		return err
	}
	for _, sql := range []string{
		`update readside.cold_ledger set projector = $1 where projector = $2`,
		`update readside.cold_parked set projector = $1 where projector = $2`,
		`update readside.cold_watermarks set projector = $1 where projector = $2`,
		`update readside.cold_checkpoint c
    set generation = r.generation, shown_place = case when c.generation = c.shown_generation then c.place else c.shown_place end,
        place = r.place, log = r.log, incarnation = r.incarnation, tables_made = r.tables_made, fingerprint = r.fingerprint,
        event_time = r.event_time, epoch = c.epoch + 1, state = 'catching_up', fault = null, updated_at = clock_timestamp()
   from readside.cold_checkpoint r where c.name = $1 and r.name = $2`,
		`delete from readside.cold_checkpoint where rebuilds = $1 and name = $2`,
	} {
		if _, err := tx.Exec(ctx, sql, name, rebuild); err != nil {
			return err
		}
	}
	return nil
}

// orderRebuild begins a rebuild beside the projector, from the log's start. One that is
// under way is begun anew.
func orderRebuild(ctx context.Context, tx pgx.Tx, name string) error {
	if err := dropRebuild(ctx, tx, name); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `insert into readside.cold_checkpoint (name, rebuilds, log, incarnation, clickhouse_incarnation, generation, fingerprint)
select c.name || $2, c.name, c.log, c.incarnation, c.clickhouse_incarnation, `+nextGeneration+`, c.fingerprint from readside.cold_checkpoint c where c.name = $1`, name, rebuildSuffix)
	if err != nil {
		return fmt.Errorf("order a rebuild: %w", err)
	}
	return keepDiscarded(ctx, tx, name)
}

// keepDiscarded copies what operators gave up to the tables that are built beside.
func keepDiscarded(ctx context.Context, tx pgx.Tx, name string) error {
	_, err := tx.Exec(ctx, copyDiscarded+`readside.cold_checkpoint r on r.rebuilds = c.name where c.name = $1 and k.state = 'discarded'
on conflict do nothing`, name)
	if err != nil {
		return fmt.Errorf("keep what was discarded: %w", err)
	}
	return nil
}

const copyDiscarded = `insert into readside.cold_parked
select r.name, r.generation, k.fact, k.place, k.stream, k.event_type, k.state, k.reason, k.error, k.hint, k.attempts, k.parked_at
  from readside.cold_checkpoint c join readside.cold_parked k on k.projector = c.name and k.generation = c.generation join `

// dropRebuild forgets a rebuild that is under way. Its tables become the projector's, which
// drops them with its own former ones.
func dropRebuild(ctx context.Context, tx pgx.Tx, name string) error {
	for _, sql := range []string{
		`update readside.cold_watermarks w set projector = r.rebuilds from readside.cold_checkpoint r where r.rebuilds = $1 and w.projector = r.name`,
		`delete from readside.cold_checkpoint where rebuilds = $1`,
	} {
		if _, err := tx.Exec(ctx, sql, name); err != nil {
			return fmt.Errorf("forget the rebuild that is under way: %w", err)
		}
	}
	return nil
}

// Rebuild orders new tables, filled from the log's start, with what is parked tried again.
// The tables shown go on beside them, until the new ones have come as far and the mart goes
// over. A projector of this name builds them while it runs, one that is started later begins
// with them. Tables that cannot go on, since the projector halted or the log is another, are
// left as they are meanwhile. Status tells when it is done: it is Rebuilding until then.
// Rebuild itself only writes the order.
func (p *Projector) Rebuild(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, p.cfg.Pool, func(tx pgx.Tx) error {
		log, incarnation, _ := p.cfg.Log.Start().Parts()
		var goesOn bool
		err := tx.QueryRow(ctx, `select state <> 'halted' and shown_generation = generation and log = $2::uuid and incarnation = $3 and fingerprint = $4
  from readside.cold_checkpoint where name = $1 for update`, p.cfg.Name, log.String(), incarnation, fingerprintOf(p.cfg.Set)).Scan(&goesOn)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrNotStarted
		case err != nil:
			return err
		case goesOn:
			return orderRebuild(ctx, tx, p.cfg.Name)
		}
		_, err = newGeneration(ctx, tx, &p.cfg)
		return err
	})
	if err != nil {
		return fmt.Errorf("rebuild the facts of cold projector %s: %w", p.cfg.Name, explain(err))
	}
	return nil
}
