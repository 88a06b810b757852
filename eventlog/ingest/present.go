package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog/admission"
	"github.com/readside/readside/eventlog/internal/codec"
)

// sourceAndID names an event in all the world, stream and version in this log.
type (
	sourceAndID      struct{ source, id string }
	streamAndVersion struct {
		stream  string
		version int64
	}
)

// here is an event and the place that it has in the log, or the line that it came on.
type here struct {
	Arrival
	place int64
}

// present is what the log has of a batch.
type present struct {
	// named are the events of the batch's names. It is one, unless the log took a name
	// twice before migration 0004 forbade it.
	named map[sourceAndID][]here
	heads map[string]int64 // the last version per stream
	at    map[streamAndVersion]sourceAndID
}

// The laterals force a look-up by index for each event: joined, a batch would be worth a
// scan of the whole table to the planner, and an import's time would grow with its square.
const (
	namedStatement = `
select e.position, e.source, e.id, e.stream, e.version, e.type, e.schema_version, e.time,
       e.correlation_id, e.causation_id, e.traceparent, e.person_id, e.data, e.extensions
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

func loadPresent(ctx context.Context, tx pgx.Tx, batch []Arrival) (*present, error) {
	p := &present{
		named: make(map[sourceAndID][]here),
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
	var e here
	into := []any{&e.place, &e.Source, &e.ID, &e.Stream, &e.StreamVersion, &e.Type, &e.SchemaVersion, &e.Time,
		&e.CorrelationID, &e.CausationID, &e.TraceParent, &e.PersonID, &e.Data, &e.Extensions}
	return p, errors.Join(
		each(ctx, tx, into, func() { p.note(e); e.Data, e.Extensions = nil, nil }, namedStatement, sources, ids),
		each(ctx, tx, []any{&at.stream, &at.version}, func() { p.heads[at.stream] = at.version }, headsStatement, names),
		each(ctx, tx, []any{&at.stream, &at.version, &known.source, &known.id}, func() { p.at[at] = known }, atStatement, streams, versions),
	)
}

// note enters an event that the log has, or will have.
func (p *present) note(e here) {
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

// sift returns the events that the log does not have, with what it assigns to them. It
// refuses those whose name it has with other content, and those that fit no stream.
func (p *present) sift(batch []Arrival) (fresh []Arrival, err error) {
	now := codec.Normal(time.Now())
	for _, e := range batch {
		known, err := p.admit(&e, now)
		if err != nil {
			return nil, &Error{e.Line, err}
		}
		if !known {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// admit enters an event that is new, with what the log assigns to it.
func (p *present) admit(e *Arrival, now time.Time) (known bool, err error) {
	if named := p.named[sourceAndID{e.Source, e.ID}]; len(named) > 0 {
		return true, e.among(named)
	}
	head := p.heads[e.Stream]
	if e.StreamVersion == 0 {
		e.StreamVersion = head + 1
	}
	if e.Time.IsZero() {
		e.Time = now
	}
	if err := admission.Version("stream version", e.StreamVersion); err != nil {
		return false, err
	}
	other, taken := p.at[streamAndVersion{e.Stream, e.StreamVersion}]
	switch {
	case taken:
		return false, fmt.Errorf("stream %s has another event at version %d already, %s of %s: give the event the stream's next version", e.Stream, e.StreamVersion, other.id, other.source)
	case e.StreamVersion <= head:
		return false, fmt.Errorf("stream %s is at version %d already, the event is version %d: give the event the stream's next version", e.Stream, head, e.StreamVersion)
	case e.StreamVersion > head+1:
		return false, fmt.Errorf("stream %s is at version %d, the event is version %d: an event is missing, or the lines are not in order", e.Stream, head, e.StreamVersion)
	}
	p.heads[e.Stream] = e.StreamVersion
	p.note(here{Arrival: *e})
	return false, nil
}

// among returns nil if e is one of the events of its name, attribute for attribute.
func (e *Arrival) among(named []here) error {
	for i := range named {
		if e.difference(&named[i]) == "" {
			return nil
		}
	}
	first := &named[0]
	where := fmt.Sprintf("at place %d", first.place)
	if first.place == 0 {
		where = fmt.Sprintf("from line %d", first.Line)
	}
	return fmt.Errorf("event %s of %s is in the log already, %s, as version %d of stream %s, and differs in %q: give every event of a source an id of its own",
		e.ID, e.Source, where, first.StreamVersion, first.Stream, e.difference(first))
}

// difference is the first attribute in which two events of one name differ, or empty. What
// the log assigns is not compared, and data as it is exported.
func (e *Arrival) difference(o *here) string {
	for _, attribute := range []struct {
		name string
		same bool
	}{
		{"subject", e.Stream == o.Stream},
		{"streamversion", e.StreamVersion == 0 || e.StreamVersion == o.StreamVersion},
		{"type", e.Type == o.Type},
		{"dataschema", e.SchemaVersion == o.SchemaVersion},
		{"time", e.Time.IsZero() || e.Time.Equal(o.Time)},
		{"correlationid", e.CorrelationID == o.CorrelationID},
		{"causationid", e.CausationID == o.CausationID},
		{"traceparent", e.TraceParent == o.TraceParent},
		{"personid", e.PersonID == o.PersonID},
		{"data", bytes.Equal(admission.OneLine(e.Data), admission.OneLine(o.Data))},
		{"extension attributes", bytes.Equal(e.Extensions, o.Extensions)},
	} {
		if !attribute.same {
			return attribute.name
		}
	}
	return ""
}
