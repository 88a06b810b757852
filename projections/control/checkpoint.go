package control

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

// Projector names a row of readside.projectors.
type Projector struct {
	// Name is the whole name, main@3f2a91bc, and Base its first half, main.
	Name, Base string
	// Rebuilds is the name of the projector whose view this one builds again, or empty.
	Rebuilds string
}

// Shadow reports whether the projector rebuilds a view of another: readers never see its tables.
func (p Projector) Shadow() bool { return p.Rebuilds != "" }

// Rower is what a connection and a transaction have in common.
type Rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// OpenCheckpoint makes the projector's row where there is none.
func (p Projector) OpenCheckpoint(ctx context.Context, conn *pgx.Conn, start eventlog.Position) error {
	log, incarnation, _ := start.Parts()
	_, err := conn.Exec(ctx, `insert into readside.projectors (name, base, rebuilds, log, incarnation, place) values ($1, $2, nullif($3, ''), $4, $5, 0)
on conflict (name) do nothing`, p.Name, p.Base, p.Rebuilds, log.String(), incarnation)
	if err != nil {
		return fmt.Errorf("open the checkpoint of projector %s: %w", p.Name, Explain(err))
	}
	return nil
}

// ReadCheckpoint reads where a projector stands; suffix is ForChange or empty. A checkpoint
// of another log than start's is an eventlog.ErrForeignPosition.
func ReadCheckpoint(ctx context.Context, q Rower, name, suffix string, start eventlog.Position) (eventlog.Position, error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	err := q.QueryRow(ctx, `select log::text, incarnation, place from readside.projectors where name = $1`+suffix, name).Scan(&log, &incarnation, &place)
	if errors.Is(err, pgx.ErrNoRows) {
		return eventlog.Position{}, fmt.Errorf("there is no projector %s yet: %w", name, ErrNoProjector)
	}
	if err != nil {
		return eventlog.Position{}, fmt.Errorf("read the checkpoint of projector %s: %w", name, Explain(err))
	}
	p := eventlog.NewPosition(log, incarnation, place)
	if !p.SameLog(start) {
		return p, fmt.Errorf("%w: projector %s stands at place %d of another log, or at one that this log does not have any more: its views hold what the log has lost; delete the projector's row in readside.projectors and project again, which folds them from scratch",
			eventlog.ErrForeignPosition, name, place)
	}
	return p, nil
}

// ForChange locks a projector's row against everyone who moves it or changes its
// rows, and against nobody who only refers to it.
const ForChange = ` for no key update`

const (
	// LockCheckpointSQL fails where the place or the epoch is another: nobody moved the
	// checkpoint, took over, or changed rows since the cache was filled.
	LockCheckpointSQL = `select 1 / (place = $2::bigint and epoch = $3::bigint)::int from readside.projectors where name = $1::text` + ForChange
	// MoveCheckpointSQL is the compare-and-set: only from the place that the batch was read
	// from, and only for the lease holder.
	MoveCheckpointSQL = `update readside.projectors set place = $2::bigint, folded = folded + $3::bigint, state = $4::text, fault = null,
  event_time = coalesce($5::timestamptz, event_time), updated_at = clock_timestamp()
where name = $1::text and place = $6::bigint and epoch = $7::bigint`
	// RaiseEpochSQL is for a writer of rows that does not hold the lease: in the same
	// transaction, so that the lease holder forgets what it knows of them.
	RaiseEpochSQL = `update readside.projectors set epoch = epoch + 1 where name = $1::text and epoch = $2::bigint`
)

// ReadEpoch reads a projector's epoch; suffix is ForChange or empty.
func ReadEpoch(ctx context.Context, q Rower, name, suffix string) (epoch int64, err error) {
	err = q.QueryRow(ctx, `select epoch from readside.projectors where name = $1`+suffix, name).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("there is no projector %s yet: %w", name, ErrNoProjector)
	}
	return epoch, Explain(err)
}

// Fenced runs work in one transaction of the projector's lease holder, before its first
// batch. It returns ErrFenced where the epoch is another.
func Fenced(ctx context.Context, conn *pgx.Conn, name string, epoch int64, work func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		now, err := ReadEpoch(ctx, tx, name, ForChange)
		if err != nil {
			return err
		}
		if now != epoch {
			return ErrFenced
		}
		return work(tx)
	})
}

// ClearHalt forgets a former halt: the repaired code is about to try again.
func ClearHalt(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, `update readside.projectors p set fault = null,
  state = case when exists (select from readside.views v where v.projector = p.name and v.state = 'live') then 'catching_up' else 'building' end
where name = $1 and state = 'halted'`, name)
	if err != nil {
		return fmt.Errorf("clear the halt of projector %s: %w", name, err)
	}
	return nil
}

// RecordHalt writes down why the projector stands still. The fault is of the code,
// so nothing else of the row changes; the next batch that is folded clears it.
func RecordHalt(ctx context.Context, conn *pgx.Conn, name string, epoch int64, fault *projections.FoldError) error {
	doc, err := json.Marshal(Fault{
		View: fault.View, Key: fault.Key, Position: fault.Position, Type: fault.Type, Stream: fault.Stream,
		Error: FirstLine(fault.Err.Error()), Hint: fault.Hint,
	})
	if err != nil {
		return err
	}
	tag, err := conn.Exec(ctx, `update readside.projectors set state = 'halted', fault = $2, updated_at = clock_timestamp() where name = $1 and epoch = $3`, name, string(doc), epoch)
	if err != nil {
		return fmt.Errorf("record that projector %s halted: %w", name, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrFenced
	}
	return nil
}

// NoteTroubleSQL writes down why a worker was interrupted, so that the status names the
// cause. Another worker that has the lease meanwhile has no such trouble.
const NoteTroubleSQL = `update readside.projectors p set fault = $2 where name = $1 and state <> 'halted'
and not exists (select from readside.leases l where l.projector = p.name and l.expires_at > clock_timestamp())`

// ForgetTroubleSQL takes that back.
const ForgetTroubleSQL = `update readside.projectors set fault = null where name = $1 and state <> 'halted' and fault is not null`

// Fault is why a projector halted, as readside.projectors has it.
type Fault struct {
	View     string            `json:"view"`
	Key      string            `json:"key"`
	Position eventlog.Position `json:"position"`
	Type     string            `json:"type"`
	Stream   string            `json:"stream"`
	Error    string            `json:"error"`
	Hint     string            `json:"hint"`
}
