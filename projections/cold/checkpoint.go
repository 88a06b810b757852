package cold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// checkpoint is the projector's row.
type checkpoint struct {
	position        eventlog.Position
	epoch           int64
	generation      int
	shownGeneration int
	shownPlace      int64
	tablesMade      bool
	fingerprint     string
}

var (
	// errFenced is returned when another worker has taken over.
	errFenced = errors.New("another worker has taken over this cold projector")
	// errSuperseded is returned when a worker of other definitions has taken over: if each came
	// back at the other's every stumble, neither would ever get done.
	errSuperseded = errors.New("other definitions of the facts were begun; this worker waits until nobody works at them any more")
	// errMoved is returned when the checkpoint was changed by hand.
	errMoved = errors.New("the checkpoint is not where this worker left it")
)

const checkpointColumns = `log::text, incarnation, place, epoch, generation, shown_generation, shown_place, tables_made, fingerprint`

func scanCheckpoint(row pgx.Row) (c checkpoint, err error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	err = row.Scan(&log, &incarnation, &place, &c.epoch, &c.generation, &c.shownGeneration, &c.shownPlace, &c.tablesMade, &c.fingerprint)
	c.position = eventlog.NewPosition(log, incarnation, place)
	return c, err
}

// takeOver raises the epoch, so that the former owner finishes nothing any more.
func (w *worker) takeOver(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		if err := w.openCheckpoint(ctx, tx); err != nil {
			return fmt.Errorf("open the checkpoint of cold projector %s: %w", w.cfg.Name, explain(err))
		}
		var err error
		w.state, err = scanCheckpoint(tx.QueryRow(ctx, `update readside.cold_checkpoint
set epoch = epoch + 1, state = 'catching_up', fault = null, updated_at = clock_timestamp()
where name = $1 returning `+checkpointColumns, w.cfg.Name))
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoRebuild
		}
		if err != nil {
			return fmt.Errorf("take over cold projector %s: %w", w.cfg.Name, err)
		}
		if err := w.own(w.state.position); err != nil {
			return err
		}
		if w.state.fingerprint != fingerprintOf(w.cfg.Set) {
			if w.rebuilds != "" {
				return errOtherRebuild
			}
			if w.worked && !w.superseded {
				w.superseded = true
				return errSuperseded
			}
			w.cfg.Logger.InfoContext(ctx, "the facts' definitions changed; building their tables anew", "projector", w.cfg.Name)
			w.state, err = newGeneration(ctx, tx, &w.cfg)
			return err
		}
		return w.leaveUnmade(ctx, tx)
	})
	if err == nil {
		w.worked, w.superseded = true, false
	}
	return err
}

// leaveUnmade begins another generation where tables were begun and not made: the worker that
// began them may still drop and make them, and must not meet rows of this worker there.
func (w *worker) leaveUnmade(ctx context.Context, tx pgx.Tx) error {
	if w.state.tablesMade {
		return nil
	}
	err := tx.QueryRow(ctx, `update readside.cold_checkpoint c set generation = `+nextGeneration+` where name = $1
and exists (select from readside.cold_watermarks w where w.projector = c.name and w.generation = c.generation) returning generation`, w.cfg.Name).
		Scan(&w.state.generation)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("leave the tables that another worker began: %w", err)
	}
	return nil
}

// nextGeneration is a number that no table of the projector c has, nor of what builds its
// tables anew beside it.
const nextGeneration = `(select 1 + greatest(c.generation, coalesce(max(o.generation), 0), coalesce(max(t.generation), 0))
  from readside.cold_checkpoint o left join readside.cold_watermarks t on t.projector = o.name
 where o.name = coalesce(c.rebuilds, c.name) or o.rebuilds = coalesce(c.rebuilds, c.name))`

func (w *worker) openCheckpoint(ctx context.Context, tx pgx.Tx) error {
	if w.rebuilds != "" {
		return nil // it is there if it was ordered
	}
	log, incarnation, _ := w.cfg.Log.Start().Parts()
	_, err := tx.Exec(ctx, `insert into readside.cold_checkpoint (name, log, incarnation, clickhouse_incarnation, fingerprint) values ($1, $2, $3, $3, $4)
on conflict (name) do nothing`, w.cfg.Name, log.String(), incarnation, fingerprintOf(w.cfg.Set))
	return err
}

// own refuses a checkpoint of another log.
func (p *Projector) own(at eventlog.Position) error {
	if at.SameLog(p.cfg.Log.Start()) {
		return nil
	}
	return fmt.Errorf("%w: cold projector %s stands at place %d of another log, or at one that this log does not have any more: rebuild the facts",
		eventlog.ErrForeignPosition, p.cfg.Name, at.Place())
}

// fenced runs one transaction of the ledger: under the lock of the checkpoint's row,
// and only while the epoch is still ours and the checkpoint where we left it.
func (w *worker) fenced(ctx context.Context, what string, work func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		var epoch, place int64
		err := tx.QueryRow(ctx, `select epoch, place from readside.cold_checkpoint where name = $1 for update`, w.cfg.Name).Scan(&epoch, &place)
		switch {
		case err != nil:
			return err
		case epoch != w.state.epoch:
			return errFenced
		case place != w.state.position.Place():
			return errMoved
		}
		return work(tx)
	})
	if err != nil {
		return fmt.Errorf("cold projector %s: %s: %w", w.cfg.Name, what, explain(err))
	}
	return nil
}

// newGeneration begins the tables anew, from the log's start. What was planned for the
// old ones is forgotten: they are dropped once the new ones are shown.
func newGeneration(ctx context.Context, tx pgx.Tx, cfg *Config) (checkpoint, error) {
	if err := dropRebuild(ctx, tx, cfg.Name); err != nil {
		return checkpoint{}, err
	}
	if _, err := tx.Exec(ctx, `delete from readside.cold_ledger where projector = $1`, cfg.Name); err != nil {
		return checkpoint{}, fmt.Errorf("forget the ledger of the old tables: %w", err)
	}
	var former int
	if err := tx.QueryRow(ctx, `select generation from readside.cold_checkpoint where name = $1`, cfg.Name).Scan(&former); err != nil {
		return checkpoint{}, err
	}
	log, incarnation, _ := cfg.Log.Start().Parts()
	c, err := scanCheckpoint(tx.QueryRow(ctx, `update readside.cold_checkpoint c
set generation = `+nextGeneration+`, epoch = epoch + 1, tables_made = false, fingerprint = $2, place = 0,
    shown_place = case when log <> $3::uuid or incarnation <> $4 then 0
                       when generation = shown_generation then place else shown_place end,
    log = $3::uuid, incarnation = $4, state = 'catching_up', fault = null, event_time = null, updated_at = clock_timestamp()
where name = $1 returning `+checkpointColumns, cfg.Name, fingerprintOf(cfg.Set), log.String(), incarnation))
	if err != nil {
		return c, fmt.Errorf("begin a new generation of the tables: %w", err)
	}
	_, err = tx.Exec(ctx, `insert into readside.cold_parked
select projector, $3, fact, place, stream, event_type, state, reason, error, hint, attempts, parked_at
  from readside.cold_parked where projector = $1 and generation = $2 and state = 'discarded'`, cfg.Name, former, c.generation)
	if err != nil {
		return c, fmt.Errorf("keep what was discarded: %w", err)
	}
	return c, nil
}

// fingerprintOf changes with any of the set's facts.
func fingerprintOf(set *projections.Set) string {
	var all string
	for _, m := range set.Facts() {
		all += m.Name + ":" + m.Fingerprint() + " "
	}
	return all
}

// recordHalt writes down why the projector stands still.
func (w *worker) recordHalt(ctx context.Context, f Fault) error {
	doc, err := faultDocument(f)
	if err != nil {
		return err
	}
	return w.fenced(ctx, "record the halt", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update readside.cold_checkpoint set state = 'halted', fault = $2, updated_at = clock_timestamp() where name = $1`,
			w.cfg.Name, doc)
		return err
	})
}

func faultDocument(f Fault) (string, error) {
	doc, err := json.Marshal(f)
	return string(doc), err
}

// explain turns Postgres' "no such table" into what to do about it.
func explain(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000") {
		return fmt.Errorf("the ledger's tables are missing: %w", err)
	}
	return err
}
