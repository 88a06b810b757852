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

// errMoved says that another worker moved the checkpoint first.
var errMoved = errors.New("the checkpoint was moved by another worker")

// rower is what a connection and a transaction have in common.
type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// openCheckpoint makes the projector's row where there is none, and clears what a
// former halt left, since the mended code is about to try again.
func openCheckpoint(ctx context.Context, conn *pgx.Conn, name string, start eventlog.Position) error {
	log, incarnation, _ := start.Parts()
	_, err := conn.Exec(ctx, `insert into readside.projectors (name, log, incarnation, place) values ($1, $2, $3, 0)
on conflict (name) do update set state = 'catching_up', fault = null where readside.projectors.state = 'halted'`,
		name, log.String(), incarnation)
	if err != nil {
		return fmt.Errorf("open the checkpoint of projector %s: %w", name, explain(err))
	}
	return nil
}

// readCheckpoint reads where a projector stands; suffix is "for update" or empty.
func readCheckpoint(ctx context.Context, q rower, name, suffix string, start eventlog.Position) (eventlog.Position, error) {
	var log uuid.UUID
	var incarnation int32
	var place int64
	err := q.QueryRow(ctx, `select log::text, incarnation, place from readside.projectors where name = $1 `+suffix, name).Scan(&log, &incarnation, &place)
	if errors.Is(err, pgx.ErrNoRows) {
		return eventlog.Position{}, fmt.Errorf("there is no projector %q yet: run `readside project` first", name)
	}
	if err != nil {
		return eventlog.Position{}, fmt.Errorf("read the checkpoint of projector %s: %w", name, explain(err))
	}
	p := eventlog.NewPosition(log, incarnation, place)
	if !p.SameLog(start) {
		return p, fmt.Errorf("%w: projector %s stands in another incarnation of the log: the log was restored or failed over; drop the projector's rows in readside.views and readside.projectors and project again",
			eventlog.ErrForeignPosition, name)
	}
	return p, nil
}

const (
	lockCheckpointSQL = `select place, epoch from readside.projectors where name = $1::text for update`
	// The compare-and-set: only from the place that the batch was read from.
	moveCheckpointSQL = `update readside.projectors set place = $2::bigint, folded = folded + $3::bigint, state = $4::text, fault = null,
  event_time = coalesce($5::timestamptz, event_time), updated_at = clock_timestamp()
where name = $1::text and place = $6::bigint and epoch = $7::bigint`
)

// recordHalt writes down why the projector stands still. The fault is of the code,
// so nothing else of the row changes; the next batch that is folded clears it.
func recordHalt(ctx context.Context, conn *pgx.Conn, name string, fault *projections.FoldError) error {
	doc, err := json.Marshal(Fault{
		View: fault.View, Key: fault.Key, Position: fault.Position, Type: fault.Type, Stream: fault.Stream,
		Error: firstLine(fault.Err.Error()), Hint: fault.Hint,
	})
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `update readside.projectors set state = 'halted', fault = $2, updated_at = clock_timestamp() where name = $1`, name, string(doc))
	if err != nil {
		return fmt.Errorf("record that projector %s halted: %w", name, err)
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
