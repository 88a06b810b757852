package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Arrival is an event of another system on its way into the log. The log assigns what is
// zero: StreamVersion is then the stream's next version, and Time that of the call.
type Arrival struct {
	Event
	// Line is where it stands in its file, for errors.
	Line int64
}

// IngestError is a fault of one event.
type IngestError struct {
	Line int64
	Err  error
}

func (e *IngestError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *IngestError) Unwrap() error { return e.Err }

// importLock lets one import append at a time.
const importLock = 7_245_012

// importBounds end an import that is stopped in the middle: having appended, it would
// hold back every reader of the log for as long as it likes.
const importBounds = `set local statement_timeout = '2min'; set local idle_in_transaction_session_timeout = '30s'`

// importDurable makes the import wait for the disk where commits do not by default: what
// is reported as imported is not sent again, and later batches stand on earlier ones.
const importDurable = `select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'`

// Ingest appends events of other systems in one transaction, with their own sources, ids
// and versions, and returns how many are new: an event that the log has is passed over,
// and another one of the same source and id is an *IngestError, as is one that does not
// continue its stream. The pool's role has to be a member of readside_importer. The events
// must be such as Event.Check admits.
func Ingest(ctx context.Context, pool *pgxpool.Pool, events []Arrival) (fresh int, err error) {
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
	return explainMissing(pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local role readside_importer`); err != nil {
			return fmt.Errorf("%w: grant readside_importer to the role that imports", err)
		}
		if _, err := tx.Exec(ctx, importBounds); err != nil {
			return err
		}
		return work(tx)
	}))
}

// importSQL and not COPY: Postgres refuses COPY into a table with row-level security but
// to roles with BYPASSRLS, which no provider of a managed Postgres gives.
const importSQL = `insert into eventlog.events (version, time, schema_version, id, source, type, stream,
  correlation_id, causation_id, traceparent, person_id, data, extensions)
select version, time, schema_version, id, source, type, stream, correlation_id, causation_id, traceparent, person_id, data::json, nullif(extensions, '')::json
  from unnest($1::bigint[], $2::timestamptz[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
    with ordinality as e(version, time, schema_version, id, source, type, stream, correlation_id, causation_id, traceparent, person_id, data, extensions, n)
 order by n`

// importColumns are events, column by column.
type importColumns struct {
	versions                                                                                  []int64
	times                                                                                     []time.Time
	schemaVersions                                                                            []int32
	ids, sources, types, streams, correlations, causations, traces, persons, data, extensions []string
}

func columnsOf(fresh []Arrival) (c importColumns) {
	for i := range fresh {
		e := &fresh[i]
		c.versions, c.times, c.schemaVersions = append(c.versions, e.StreamVersion), append(c.times, e.Time), append(c.schemaVersions, int32(e.SchemaVersion))
		c.ids, c.sources, c.types = append(c.ids, e.ID), append(c.sources, e.Source), append(c.types, e.Type)
		c.streams, c.correlations = append(c.streams, e.Stream), append(c.correlations, e.CorrelationID)
		c.causations, c.traces = append(c.causations, e.CausationID), append(c.traces, e.TraceParent)
		c.persons, c.data, c.extensions = append(c.persons, e.PersonID), append(c.data, string(e.Data)), append(c.extensions, string(e.Extensions))
	}
	return c
}

// insertEvents appends in the order given.
func insertEvents(ctx context.Context, tx pgx.Tx, fresh []Arrival) error {
	c := columnsOf(fresh)
	_, err := tx.Exec(ctx, importSQL, c.versions, c.times, c.schemaVersions, c.ids, c.sources, c.types, c.streams,
		c.correlations, c.causations, c.traces, c.persons, c.data, c.extensions)
	if err == nil {
		return nil
	}
	lines := fmt.Sprintf("lines %d to %d", fresh[0].Line, fresh[len(fresh)-1].Line)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.ConstraintName == streamVersionKey || pg.ConstraintName == sourceIDKey) {
		return fmt.Errorf("%s: a service appended one of the events, or to one of the streams, meanwhile (%s): import again", lines, pg.Detail)
	}
	return fmt.Errorf("%s: %w", lines, err)
}
