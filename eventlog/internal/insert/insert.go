// Package insert writes rows into eventlog.events: those of a service in its own transaction,
// and those of other systems.
package insert

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog/internal/life"
)

// Row is an event on its way.
type Row struct {
	// Source is an imported event's; of an appended one it is the transaction's role.
	Source, Stream string
	Version        int64
	ID, Type       string
	SchemaVersion  int
	Time           time.Time

	CorrelationID, CausationID, TraceParent, PersonID string
	// Data is JSON, and so are Extensions, which only an imported event has.
	Data, Extensions []byte
}

// Rows are events column by column, as the statements take them.
type Rows struct {
	sources, streams, ids, types                          []string
	versions                                              []int64
	schemaVersions                                        []int32
	times                                                 []time.Time
	correlationIDs, causationIDs, traceParents, personIDs []string
	data, extensions                                      []string
}

// Add adds an event behind the others.
func (r *Rows) Add(e Row) {
	r.sources, r.streams = append(r.sources, e.Source), append(r.streams, e.Stream)
	r.ids, r.types = append(r.ids, e.ID), append(r.types, e.Type)
	r.versions, r.schemaVersions = append(r.versions, e.Version), append(r.schemaVersions, int32(e.SchemaVersion))
	r.times = append(r.times, e.Time)
	r.correlationIDs, r.causationIDs = append(r.correlationIDs, e.CorrelationID), append(r.causationIDs, e.CausationID)
	r.traceParents, r.personIDs = append(r.traceParents, e.TraceParent), append(r.personIDs, e.PersonID)
	r.data, r.extensions = append(r.data, string(e.Data)), append(r.extensions, string(e.Extensions))
}

// Len is how many events there are.
func (r *Rows) Len() int { return len(r.ids) }

// Heads are streams with the versions that they are expected at.
type Heads struct {
	Streams  []string
	Versions []int64
}

// Appended is what became of an append.
type Appended struct {
	// Last is the place of the last event.
	Last int64
	// Life is the one of the server.
	Life life.Life
	// Stream, unless empty, is not at the version expected: nothing was appended.
	Stream           string
	Expected, Actual int64
}

// appendStatement appends all or nothing: where a stream is not at its expected
// version it inserts no row, burns no position and says so. A concurrent append to
// the same stream meets the unique key instead. Positions are drawn in the order of
// the arrays: the identity's default is computed above the sort.
const appendStatement = `
with expected as (
	select x.n, x.stream, x.version,
	       coalesce((select e.version from eventlog.events e where e.stream = x.stream order by e.version desc limit 1), 0) as actual
	  from unnest($1::text[], $2::bigint[]) with ordinality as x(stream, version, n)
), refused as (
	select x.stream, x.version, x.actual from expected x where x.version <> x.actual order by x.n limit 1
), appended as (
	insert into eventlog.events (source, stream, version, id, type, schema_version, time,
	                             correlation_id, causation_id, traceparent, person_id, data)
	select current_user, i.stream, i.version, i.id, i.type, i.schema_version, i.time,
	       i.correlation_id, i.causation_id, i.traceparent, i.person_id, i.data::json
	  from unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::integer[], $8::timestamptz[],
	              $9::text[], $10::text[], $11::text[], $12::text[], $13::text[]) with ordinality
	       as i(stream, version, id, type, schema_version, time,
	            correlation_id, causation_id, traceparent, person_id, data, n)
	 where not exists (select from refused)
	 order by i.n
	returning position
)
select coalesce((select max(position) from appended), 0), ` + life.Columns + `,
       coalesce(r.stream, ''), coalesce(r.version, 0), coalesce(r.actual, 0)
  from (select) as one left join refused r on true`

// Append appends all events or none, as the transaction's role.
func (r *Rows) Append(ctx context.Context, tx pgx.Tx, expected Heads) (a Appended, err error) {
	var scan life.Scan
	err = tx.QueryRow(ctx, appendStatement, expected.Streams, expected.Versions,
		r.streams, r.versions, r.ids, r.types, r.schemaVersions, r.times,
		r.correlationIDs, r.causationIDs, r.traceParents, r.personIDs, r.data).
		Scan(&a.Last, &scan.Postmaster, &scan.Statistics, &a.Stream, &a.Expected, &a.Actual)
	a.Life = scan.Life()
	return a, err
}

// importStatement and not COPY: Postgres refuses COPY into a table with row-level security but
// to roles with BYPASSRLS, which no provider of a managed Postgres gives.
const importStatement = `insert into eventlog.events (version, time, schema_version, id, source, type, stream,
  correlation_id, causation_id, traceparent, person_id, data, extensions)
select version, time, schema_version, id, source, type, stream, correlation_id, causation_id, traceparent, person_id, data::json, nullif(extensions, '')::json
  from unnest($1::bigint[], $2::timestamptz[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
    with ordinality as e(version, time, schema_version, id, source, type, stream, correlation_id, causation_id, traceparent, person_id, data, extensions, n)
 order by n`

// Import appends events with the sources that they name. The transaction's role has to be
// one that may.
func (r *Rows) Import(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, importStatement, r.versions, r.times, r.schemaVersions, r.ids, r.sources, r.types, r.streams,
		r.correlationIDs, r.causationIDs, r.traceParents, r.personIDs, r.data, r.extensions)
	return err
}
