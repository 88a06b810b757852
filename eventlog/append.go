package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/eventlog/admission"
)

// AppendEventsMax is how many events one call of Log.Append takes at most.
const AppendEventsMax = 50_000

// Append is what one stream gets: Events that continue it after version Expected.
// A new stream is at version 0.
type Append struct {
	Stream   string
	Expected int64
	Events   []Event
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
select coalesce((select max(position) from appended), 0), ` + lifeColumns + `,
       coalesce(r.stream, ''), coalesce(r.version, 0), coalesce(r.actual, 0)
  from (select) as one left join refused r on true`

// Append appends in the caller's transaction, so that state and events commit
// together, and returns the position of the last event appended. The events' source
// is the role of the transaction. A stream that is not at its expected version, be
// it too low or too high, is a *VersionConflictError and nothing is appended.
//
// An event whose id its source has given to another event, in this call or before, is an
// *IDTakenError, and the transaction is aborted.
//
// Announce to a Notifier after the commit.
func (l *Log) Append(ctx context.Context, tx pgx.Tx, appends ...Append) (Position, error) {
	in, err := newInput(appends)
	if err != nil {
		return Position{}, err
	}
	if len(in.ids) == 0 {
		return Position{}, errors.New("append: no events given")
	}
	var place int64
	var scan lifeScan
	var conflict VersionConflictError
	err = tx.QueryRow(ctx, appendStatement, in.args()...).
		Scan(&place, &scan.postmaster, &scan.statistics, &conflict.Stream, &conflict.Expected, &conflict.Actual)
	if err != nil {
		return Position{}, appendError(err, in)
	}
	if conflict.Stream != "" {
		return Position{}, &conflict
	}
	if scan.life() != *l.life.Load() {
		if err := l.identifyApart(ctx); err != nil {
			return Position{}, fmt.Errorf("append: %w", err)
		}
	}
	return l.at(place), nil
}

// The unique keys of eventlog.events.
const (
	streamVersionKey = "events_stream_version_key"
	sourceIDKey      = "events_source_id_key"
)

// appendError knows the conflicts that only the unique keys saw.
func appendError(err error, in *input) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fmt.Errorf("append %d events: %w", len(in.ids), err)
	}
	if pg.ConstraintName == streamVersionKey {
		conflict := &VersionConflictError{Actual: -1}
		for i, stream := range in.expectedStreams {
			// Which of several streams it was, only the server's text knows; of one it is sure.
			conflict.Stream, conflict.Expected = stream, in.expectedVersions[i]
			if keyNames(pg.Detail, stream) {
				break
			}
		}
		return conflict
	}
	if pg.ConstraintName == sourceIDKey {
		taken := &IDTakenError{}
		for i, id := range in.ids {
			taken.Stream, taken.ID = in.streams[i], id
			if keyNames(pg.Detail, id) {
				break
			}
		}
		return taken
	}
	return fmt.Errorf("append %d events, first to stream %s: %w", len(in.ids), in.streams[0], explainMissing(err))
}

// input is the appends as the statement's arrays.
type input struct {
	expectedStreams  []string
	expectedVersions []int64

	streams, ids, types                                   []string
	versions                                              []int64
	schemaVersions                                        []int32
	times                                                 []time.Time
	correlationIDs, causationIDs, traceParents, personIDs []string
	data                                                  []string
}

func (in *input) args() []any {
	return []any{
		in.expectedStreams, in.expectedVersions,
		in.streams, in.versions, in.ids, in.types, in.schemaVersions, in.times,
		in.correlationIDs, in.causationIDs, in.traceParents, in.personIDs, in.data,
	}
}

func newInput(appends []Append) (*input, error) {
	total := 0
	for _, a := range appends {
		total += len(a.Events)
	}
	if total > AppendEventsMax {
		return nil, fmt.Errorf("append: %d events at once, the most are %d: append in several transactions", total, AppendEventsMax)
	}
	in := &input{}
	ends := make(map[string]int64, len(appends))
	for _, a := range appends {
		if err := in.expect(a, ends); err != nil {
			return nil, err
		}
		for i := range a.Events {
			if err := in.add(a, i); err != nil {
				return nil, err
			}
		}
		ends[a.Stream] = a.Expected + int64(len(a.Events))
	}
	return in, nil
}

// expect notes what the database has to check; a stream that comes twice in one
// call is checked here the second time.
func (in *input) expect(a Append, ends map[string]int64) error {
	if end, twice := ends[a.Stream]; twice {
		if end != a.Expected {
			return &VersionConflictError{Stream: a.Stream, Expected: a.Expected, Actual: end}
		}
		return nil
	}
	if a.Expected < 0 {
		return fmt.Errorf("append to stream %s: expected version %d is below 0", a.Stream, a.Expected)
	}
	in.expectedStreams = append(in.expectedStreams, a.Stream)
	in.expectedVersions = append(in.expectedVersions, a.Expected)
	return nil
}

func (in *input) add(a Append, i int) error {
	e := &a.Events[i]
	version := a.Expected + int64(i) + 1
	if err := errors.Join(checkEvent(a.Stream, e), admission.Version("stream version", version), withoutExtensions(e)); err != nil {
		return &InvalidEventError{Stream: a.Stream, Type: e.Type, ID: e.ID, Err: err}
	}
	in.streams = append(in.streams, a.Stream)
	in.versions = append(in.versions, version)
	in.ids = append(in.ids, e.ID)
	in.types = append(in.types, e.Type)
	in.schemaVersions = append(in.schemaVersions, int32(e.SchemaVersion))
	in.times = append(in.times, normal(e.Time))
	in.correlationIDs = append(in.correlationIDs, e.CorrelationID)
	in.causationIDs = append(in.causationIDs, e.CausationID)
	in.traceParents = append(in.traceParents, e.TraceParent)
	in.personIDs = append(in.personIDs, e.PersonID)
	in.data = append(in.data, string(e.Data))
	return nil
}
