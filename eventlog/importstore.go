package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// importLock lets one import append at a time.
const importLock = 7_245_012

// importBounds end an import that is stopped in the middle: having appended, it would
// hold back every reader of the log for as long as it likes.
const importBounds = `set local statement_timeout = '2min'; set local idle_in_transaction_session_timeout = '30s'`

// sourceAndID names an event in all the world, stream and version in this log.
type (
	sourceAndID      struct{ source, id string }
	streamAndVersion struct {
		stream  string
		version int64
	}
)

// store appends the events of a batch that the log has not, in one transaction.
func (in *importer) store(ctx context.Context, batch []arrival) (imported int64, err error) {
	err = pgx.BeginFunc(ctx, in.pool, func(tx pgx.Tx) error {
		// The COPY role: it may name other sources than itself, and nothing more.
		if _, err := tx.Exec(ctx, `set local role readside_importer`); err != nil {
			return fmt.Errorf("%w: grant readside_importer to the role that imports", err)
		}
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock($1)`, importLock); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, importBounds); err != nil {
			return err
		}
		have, err := loadPresent(ctx, tx, batch)
		if err != nil {
			return err
		}
		fresh, err := have.sift(batch)
		if err != nil || len(fresh) == 0 {
			return err
		}
		imported = int64(len(fresh))
		return copyEvents(ctx, tx, fresh)
	})
	if err != nil {
		return 0, explainMissing(err)
	}
	return imported, nil
}

// present is what the log has of a batch.
type present struct {
	imported map[sourceAndID]bool
	heads    map[string]int64
	at       map[streamAndVersion]sourceAndID
}

func loadPresent(ctx context.Context, tx pgx.Tx, batch []arrival) (*present, error) {
	p := &present{
		imported: make(map[sourceAndID]bool),
		heads:    make(map[string]int64),
		at:       make(map[streamAndVersion]sourceAndID),
	}
	var sources, ids, streams []string
	var versions []int64
	for i := range batch {
		e := &batch[i]
		sources, ids = append(sources, e.Source), append(ids, e.ID)
		streams, versions = append(streams, e.Stream), append(versions, e.StreamVersion)
		p.heads[e.Stream] = 0
	}
	names := slices.Collect(maps.Keys(p.heads))
	var known sourceAndID
	var at streamAndVersion
	return p, errors.Join(
		each(ctx, tx, []any{&known.source, &known.id}, func() { p.imported[known] = true },
			`select i.source, i.id from eventlog.imported i join unnest($1::text[], $2::text[]) as b(source, id) using (source, id)`, sources, ids),
		each(ctx, tx, []any{&at.stream, &at.version}, func() { p.heads[at.stream] = at.version },
			`select s.stream, h.version from unnest($1::text[]) as s(stream) cross join lateral
			 (select e.version from eventlog.events e where e.stream = s.stream order by e.version desc limit 1) h`, names),
		each(ctx, tx, []any{&at.stream, &at.version, &known.source, &known.id}, func() { p.at[at] = known },
			`select e.stream, e.version, e.source, e.id from eventlog.events e
			   join unnest($1::text[], $2::bigint[]) as b(stream, version) using (stream, version)`, streams, versions),
	)
}

// each scans every row of a query into the same variables.
func each(ctx context.Context, tx pgx.Tx, into []any, row func(), sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, func() error { row(); return nil })
	return err
}

// sift answers the events that are not there, and refuses what fits no stream.
func (p *present) sift(batch []arrival) (fresh []arrival, err error) {
	for _, e := range batch {
		name, at := sourceAndID{e.Source, e.ID}, streamAndVersion{e.Stream, e.StreamVersion}
		other, taken := p.at[at]
		switch head := p.heads[e.Stream]; {
		case taken && other == name:
			continue
		case p.imported[name]:
			return nil, &ImportError{e.line, fmt.Errorf("event %s of %s is in the log already, and not as version %d of stream %s: an id names one event", e.ID, e.Source, e.StreamVersion, e.Stream)}
		case taken:
			return nil, &ImportError{e.line, fmt.Errorf("stream %s has another event at version %d already: %s of %s", e.Stream, e.StreamVersion, other.id, other.source)}
		case e.StreamVersion != head+1:
			return nil, &ImportError{e.line, fmt.Errorf("stream %s is at version %d, the event is version %d: an event is missing, or the lines are not in order", e.Stream, head, e.StreamVersion)}
		}
		p.heads[e.Stream] = e.StreamVersion
		p.at[at] = name
		p.imported[name] = true
		fresh = append(fresh, e)
	}
	return fresh, nil
}

// importSQL and not COPY: Postgres refuses COPY into a table with row-level security but
// to roles with BYPASSRLS, which no provider of a managed Postgres gives.
const importSQL = `insert into eventlog.events (version, time, schema_version, id, source, type, stream,
  correlation_id, causation_id, traceparent, person_id, data)
select version, time, schema_version, id, source, type, stream, correlation_id, causation_id, traceparent, person_id, data::json
  from unnest($1::bigint[], $2::timestamptz[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])
    with ordinality as e(version, time, schema_version, id, source, type, stream, correlation_id, causation_id, traceparent, person_id, data, n)
 order by n`

// importColumns are events, column by column.
type importColumns struct {
	versions                                                                      []int64
	times                                                                         []time.Time
	schemaVersions                                                                []int32
	ids, sources, types, streams, correlations, causations, traces, persons, data []string
}

func columnsOf(fresh []arrival) (c importColumns) {
	for i := range fresh {
		e := &fresh[i]
		c.versions, c.times, c.schemaVersions = append(c.versions, e.StreamVersion), append(c.times, e.Time), append(c.schemaVersions, int32(e.SchemaVersion))
		c.ids, c.sources, c.types = append(c.ids, e.ID), append(c.sources, e.Source), append(c.types, e.Type)
		c.streams, c.correlations = append(c.streams, e.Stream), append(c.correlations, e.CorrelationID)
		c.causations, c.traces = append(c.causations, e.CausationID), append(c.traces, e.TraceParent)
		c.persons, c.data = append(c.persons, e.PersonID), append(c.data, string(e.Data))
	}
	return c
}

// copyEvents appends in the order given, and enters the events into eventlog.imported.
func copyEvents(ctx context.Context, tx pgx.Tx, fresh []arrival) error {
	c := columnsOf(fresh)
	streams, versions := c.streams, c.versions
	_, err := tx.Exec(ctx, importSQL, versions, c.times, c.schemaVersions, c.ids, c.sources, c.types, streams,
		c.correlations, c.causations, c.traces, c.persons, c.data)
	if err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.ConstraintName == "events_stream_version_key" {
			return fmt.Errorf("lines %d to %d: a service appended to one of the streams meanwhile (%s): import again", fresh[0].line, fresh[len(fresh)-1].line, pg.Detail)
		}
		return fmt.Errorf("lines %d to %d: %w", fresh[0].line, fresh[len(fresh)-1].line, err)
	}
	_, err = tx.Exec(ctx, `insert into eventlog.imported (source, id, position)
		select e.source, e.id, e.position from eventlog.events e
		  join unnest($1::text[], $2::bigint[]) as b(stream, version) using (stream, version)`, streams, versions)
	return err
}
