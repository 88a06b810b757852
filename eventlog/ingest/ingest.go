package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/internal/insert"
	"github.com/readside/readside/eventlog/internal/schema"
)

// Arrival is an event of another system on its way into the log. The log assigns what is
// zero: StreamVersion is then the stream's next version, and Time that of the call.
type Arrival struct {
	eventlog.Event
	// Line is where it stands in its file, for errors.
	Line int64
}

// Error is a fault of one event, or of a line that holds none.
type Error struct {
	Line int64
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// importLock lets one import append at a time.
const importLock = 7_245_012

// importBounds end an import that is stopped in the middle: having appended, it would
// hold back every reader of the log for as long as it likes.
const importBounds = `set local statement_timeout = '2min'; set local idle_in_transaction_session_timeout = '30s'`

// importDurable makes the import wait for the disk where commits do not by default: what
// is reported as imported is not sent again, and later batches stand on earlier ones.
const importDurable = `select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'`

// Batch appends events of other systems in one transaction, with their own sources, ids
// and versions, and returns how many are new: an event that the log has is passed over,
// and another one of the same source and id is an *Error, as is one that does not
// continue its stream. The pool's role has to be a member of readside_importer. The events
// must be such as eventlog.Event.Check admits.
func Batch(ctx context.Context, pool *pgxpool.Pool, events []Arrival) (fresh int, err error) {
	err = asImporter(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, importLock); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, importDurable); err != nil {
			return err
		}
		have, err := loadPresent(ctx, tx, events)
		if err != nil {
			return err
		}
		news, err := have.sift(events)
		if err != nil || len(news) == 0 {
			return err
		}
		fresh = len(news)
		return insertEvents(ctx, tx, news)
	})
	if err != nil {
		return 0, err
	}
	return fresh, nil
}

// asImporter runs work in one transaction of the role that may name other sources than
// itself, and nothing more.
func asImporter(ctx context.Context, pool *pgxpool.Pool, work func(pgx.Tx) error) error {
	return schema.Explain(pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local role readside_importer`); err != nil {
			return fmt.Errorf("%w: grant readside_importer to the role that imports", err)
		}
		if _, err := tx.Exec(ctx, importBounds); err != nil {
			return err
		}
		return work(tx)
	}))
}

// insertEvents appends in the order given.
func insertEvents(ctx context.Context, tx pgx.Tx, fresh []Arrival) error {
	err := rowsOf(fresh).Import(ctx, tx)
	if err == nil {
		return nil
	}
	lines := fmt.Sprintf("lines %d to %d", fresh[0].Line, fresh[len(fresh)-1].Line)
	if detail, collided := insert.Collision(err); collided {
		return fmt.Errorf("%s: a service appended one of the events, or to one of the streams, meanwhile (%s): import again", lines, detail)
	}
	return fmt.Errorf("%s: %w", lines, err)
}

func rowsOf(fresh []Arrival) *insert.Rows {
	rows := &insert.Rows{}
	for i := range fresh {
		e := &fresh[i]
		rows.Add(insert.Row{
			Source: e.Source, Stream: e.Stream, Version: e.StreamVersion, ID: e.ID, Type: e.Type, SchemaVersion: e.SchemaVersion, Time: e.Time,
			CorrelationID: e.CorrelationID, CausationID: e.CausationID, TraceParent: e.TraceParent, PersonID: e.PersonID,
			Data: e.Data, Extensions: e.Extensions,
		})
	}
	return rows
}
