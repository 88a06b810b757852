package eventlog

import (
	"bytes"
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

// importDurable makes the import wait for the disk where commits do not by default: what
// is reported as imported is not sent again, and later batches stand on earlier ones.
const importDurable = `select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'`

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
		if _, err := tx.Exec(ctx, importDurable); err != nil {
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
		return insertEvents(ctx, tx, fresh)
	})
	if err != nil {
		return 0, explainMissing(err)
	}
	return imported, nil
}

// present is what the log has of a batch.
type present struct {
	// named are the events of the batch's names. It is one, unless the log took a name
	// twice before migration 0004 forbade it.
	named map[sourceAndID][]arrival
	heads map[string]int64 // the last version per stream
	at    map[streamAndVersion]sourceAndID
}

// The laterals force a look-up by index for each event: joined, a batch would be worth a
// scan of the whole table to the planner, and an import's time would grow with its square.
const (
	namedStatement = `
select e.position, e.source, e.id, e.stream, e.version, e.type, e.schema_version, e.time,
       e.correlation_id, e.causation_id, e.traceparent, e.person_id, e.data
  from unnest($1::text[], $2::text[]) as b(source, id) cross join lateral
       (select * from eventlog.events n where n.id collate "C" = b.id and n.source collate "C" = b.source
         order by n.position limit 16) e`
	headsStatement = `
select s.stream, h.version from unnest($1::text[]) as s(stream) cross join lateral
       (select e.version from eventlog.events e where e.stream = s.stream order by e.version desc limit 1) h`
	atStatement = `
select e.stream, e.version, e.source, e.id from unnest($1::text[], $2::bigint[]) as b(stream, version) cross join lateral
       (select * from eventlog.events n where n.stream = b.stream and n.version = b.version limit 1) e`
)

func loadPresent(ctx context.Context, tx pgx.Tx, batch []arrival) (*present, error) {
	p := &present{
		named: make(map[sourceAndID][]arrival),
		heads: make(map[string]int64),
		at:    make(map[streamAndVersion]sourceAndID),
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
	var e arrival
	into := []any{&e.place, &e.Source, &e.ID, &e.Stream, &e.StreamVersion, &e.Type, &e.SchemaVersion, &e.Time,
		&e.CorrelationID, &e.CausationID, &e.TraceParent, &e.PersonID, &e.Data}
	return p, errors.Join(
		each(ctx, tx, into, func() { p.note(e); e.Data = nil }, namedStatement, sources, ids),
		each(ctx, tx, []any{&at.stream, &at.version}, func() { p.heads[at.stream] = at.version }, headsStatement, names),
		each(ctx, tx, []any{&at.stream, &at.version, &known.source, &known.id}, func() { p.at[at] = known }, atStatement, streams, versions),
	)
}

// note enters an event that the log has, or will have.
func (p *present) note(e arrival) {
	name := sourceAndID{e.Source, e.ID}
	p.named[name] = append(p.named[name], e)
	p.at[streamAndVersion{e.Stream, e.StreamVersion}] = name
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

// sift returns the events that the log does not have. It refuses those whose name it has
// with other content, and those that fit no stream.
func (p *present) sift(batch []arrival) (fresh []arrival, err error) {
	for _, e := range batch {
		if named := p.named[sourceAndID{e.Source, e.ID}]; len(named) > 0 {
			if err := e.among(named); err != nil {
				return nil, &ImportError{e.line, err}
			}
			continue
		}
		other, taken := p.at[streamAndVersion{e.Stream, e.StreamVersion}]
		switch head := p.heads[e.Stream]; {
		case taken:
			return nil, &ImportError{e.line, fmt.Errorf("stream %s has another event at version %d already, %s of %s: give the event the stream's next version", e.Stream, e.StreamVersion, other.id, other.source)}
		case e.StreamVersion != head+1:
			return nil, &ImportError{e.line, fmt.Errorf("stream %s is at version %d, the event is version %d: an event is missing, or the lines are not in order", e.Stream, head, e.StreamVersion)}
		}
		p.heads[e.Stream] = e.StreamVersion
		p.note(e)
		fresh = append(fresh, e)
	}
	return fresh, nil
}

// among returns nil if e is one of the events of its name, attribute for attribute.
func (e *arrival) among(named []arrival) error {
	for i := range named {
		if e.difference(&named[i]) == "" {
			return nil
		}
	}
	first := &named[0]
	where := fmt.Sprintf("at place %d", first.place)
	if first.place == 0 {
		where = fmt.Sprintf("from line %d", first.line)
	}
	return fmt.Errorf("event %s of %s is in the log already, %s, as version %d of stream %s, and differs in %q: give every event of a source an id of its own",
		e.ID, e.Source, where, first.StreamVersion, first.Stream, e.difference(first))
}

// difference is the first attribute in which two events of one name differ, or empty.
// Their data is compared as it is exported.
func (e *arrival) difference(o *arrival) string {
	for _, attribute := range []struct {
		name string
		same bool
	}{
		{"subject", e.Stream == o.Stream},
		{"streamversion", e.StreamVersion == o.StreamVersion},
		{"type", e.Type == o.Type},
		{"dataschema", e.SchemaVersion == o.SchemaVersion},
		{"time", e.Time.Equal(o.Time)},
		{"correlationid", e.CorrelationID == o.CorrelationID},
		{"causationid", e.CausationID == o.CausationID},
		{"traceparent", e.TraceParent == o.TraceParent},
		{"personid", e.PersonID == o.PersonID},
		{"data", bytes.Equal(oneLine(e.Data), oneLine(o.Data))},
	} {
		if !attribute.same {
			return attribute.name
		}
	}
	return ""
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

// insertEvents appends in the order given.
func insertEvents(ctx context.Context, tx pgx.Tx, fresh []arrival) error {
	c := columnsOf(fresh)
	_, err := tx.Exec(ctx, importSQL, c.versions, c.times, c.schemaVersions, c.ids, c.sources, c.types, c.streams,
		c.correlations, c.causations, c.traces, c.persons, c.data)
	if err == nil {
		return nil
	}
	lines := fmt.Sprintf("lines %d to %d", fresh[0].line, fresh[len(fresh)-1].line)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.ConstraintName == streamVersionKey || pg.ConstraintName == sourceIDKey) {
		return fmt.Errorf("%s: a service appended one of the events, or to one of the streams, meanwhile (%s): import again", lines, pg.Detail)
	}
	return fmt.Errorf("%s: %w", lines, err)
}
