package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// errMoved is returned when the checkpoint is not where the batch was read from.
var errMoved = errors.New("the checkpoint was moved by another worker")

// rower is what a connection and a transaction have in common.
type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// openCheckpoint makes the projector's row where there is none.
func (p *Projector) openCheckpoint(ctx context.Context, conn *pgx.Conn) error {
	log, incarnation, _ := p.cfg.Log.Start().Parts()
	_, err := conn.Exec(ctx, `insert into readside.projectors (name, base, rebuilds, log, incarnation, place) values ($1, $2, nullif($3, ''), $4, $5, 0)
on conflict (name) do nothing`, p.name, p.cfg.Name, p.rebuilds, log.String(), incarnation)
	if err != nil {
		return fmt.Errorf("open the checkpoint of projector %s: %w", p.name, explain(err))
	}
	return nil
}

// clearHalt forgets a former halt: the mended code is about to try again.
func (p *Projector) clearHalt(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `update readside.projectors p set fault = null,
  state = case when exists (select from readside.views v where v.projector = p.name and v.state = 'live') then 'catching_up' else 'building' end
where name = $1 and state = 'halted'`, p.name)
	if err != nil {
		return fmt.Errorf("clear the halt of projector %s: %w", p.name, err)
	}
	return nil
}

// ErrNoProjector is returned for a projector that has no checkpoint.
var ErrNoProjector = errors.New("no worker has run with these definitions")

// ErrNotLive is returned for a view that cannot be rebuilt or verified before its first
// build has ended.
var ErrNotLive = errors.New("no live generation yet")

// readCheckpoint reads where a projector stands; suffix is forChange or empty.
func readCheckpoint(ctx context.Context, q rower, name, suffix string, start eventlog.Position) (eventlog.Position, error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	err := q.QueryRow(ctx, `select log::text, incarnation, place from readside.projectors where name = $1`+suffix, name).Scan(&log, &incarnation, &place)
	if errors.Is(err, pgx.ErrNoRows) {
		return eventlog.Position{}, fmt.Errorf("there is no projector %s yet: %w", name, ErrNoProjector)
	}
	if err != nil {
		return eventlog.Position{}, fmt.Errorf("read the checkpoint of projector %s: %w", name, explain(err))
	}
	p := eventlog.NewPosition(log, incarnation, place)
	if !p.SameLog(start) {
		return p, fmt.Errorf("%w: projector %s stands at place %d of another log, or at one that this log does not have any more: its views hold what the log has lost; delete the projector's row in readside.projectors and project again, which folds them anew",
			eventlog.ErrForeignPosition, name, place)
	}
	return p, nil
}

// forChange locks a projector's row against everyone who moves it or changes its
// rows, and against nobody who only refers to it.
const forChange = ` for no key update`

const (
	// It fails where the place or the epoch is another: nobody moved the checkpoint, took
	// over, or changed rows since the cache was filled.
	lockCheckpointSQL = `select 1 / (place = $2::bigint and epoch = $3::bigint)::int from readside.projectors where name = $1::text` + forChange
	// The compare-and-set: only from the place that the batch was read from, and only
	// for the owner.
	moveCheckpointSQL = `update readside.projectors set place = $2::bigint, folded = folded + $3::bigint, state = $4::text, fault = null,
  event_time = coalesce($5::timestamptz, event_time), updated_at = clock_timestamp()
where name = $1::text and place = $6::bigint and epoch = $7::bigint`
	// A writer of rows that is not their owner raises the epoch in the same
	// transaction, so that the owner forgets what it knows of them.
	raiseEpochSQL = `update readside.projectors set epoch = epoch + 1 where name = $1::text and epoch = $2::bigint`
)

// fenced runs work in one transaction of the owner, before its first batch.
func (w *worker) fenced(ctx context.Context, work func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		var epoch int64
		if err := tx.QueryRow(ctx, `select epoch from readside.projectors where name = $1`+forChange, w.name).Scan(&epoch); err != nil {
			return err
		}
		if epoch != w.lease.epoch {
			return errFenced
		}
		return work(tx)
	})
}

// recordHalt writes down why the projector stands still. The fault is of the code,
// so nothing else of the row changes; the next batch that is folded clears it.
func (p *Projector) recordHalt(ctx context.Context, conn *pgx.Conn, epoch int64, fault *projections.FoldError) error {
	doc, err := json.Marshal(Fault{
		View: fault.View, Key: fault.Key, Position: fault.Position, Type: fault.Type, Stream: fault.Stream,
		Error: firstLine(fault.Err.Error()), Hint: fault.Hint,
	})
	if err != nil {
		return err
	}
	tag, err := conn.Exec(ctx, `update readside.projectors set state = 'halted', fault = $2, updated_at = clock_timestamp() where name = $1 and epoch = $3`, p.name, string(doc), epoch)
	if err != nil {
		return fmt.Errorf("record that projector %s halted: %w", p.name, err)
	}
	if tag.RowsAffected() == 0 {
		return errFenced
	}
	return nil
}

// Fault is why a projector halted, as status shows it.
type Fault struct {
	View     string            `json:"view"`
	Key      string            `json:"key"`
	Position eventlog.Position `json:"position"`
	Type     string            `json:"type"`
	Stream   string            `json:"stream"`
	Error    string            `json:"error"`
	Hint     string            `json:"hint"`
}
