package eventlog

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog/internal/arena"
	"github.com/readside/readside/eventlog/internal/schema"
)

// The columns in the order that the scanner reads them.
const (
	leanColumns  = `position, version, time, schema_version, id, type, stream, correlation_id, data`
	eventColumns = leanColumns + `, source, causation_id, traceparent, person_id, extensions`
)

// All run along the primary key; the range is settled, so that any snapshot serves.
const (
	readRange = `
  from eventlog.events where position > $1 and position <= $2`
	readOrder = ` order by position limit $3`
	readTypes = ` and type = any($4)`
)

func (q *Query) statement() string {
	switch {
	case q.Lean && q.Types != nil:
		return `select ` + leanColumns + readRange + readTypes + readOrder
	case q.Lean:
		return `select ` + leanColumns + readRange + readOrder
	case q.Types != nil:
		return `select ` + eventColumns + readRange + readTypes + readOrder
	}
	return `select ` + eventColumns + readRange + readOrder
}

// args are those of statement.
func (q *Query) args(from, last int64, limit int) []any {
	args := []any{from, last, limit}
	if q.Types != nil {
		args = append(args, q.Types)
	}
	return args
}

func (l *Log) readEvents(ctx context.Context, conn *pgxpool.Conn, from, last int64, q Query, limit int) (events []Event, cut bool, err error) {
	args := append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, q.args(from, last, limit)...)
	rows, err := conn.Query(ctx, q.statement(), args...)
	if err != nil {
		return nil, false, err
	}
	events = q.Into[:0]
	if most := int(min(int64(limit), last-from)); cap(events) < most {
		events = make([]Event, 0, most)
	}
	return l.scan(rows, q.Apart, events)
}

// scan appends the rows to events until there are no more, or too much data: then they
// are cut.
func (l *Log) scan(rows pgx.Rows, apart bool, events []Event) (_ []Event, cut bool, err error) {
	defer rows.Close()
	scan := scanner{at: l.at, apart: apart}
	bytes := 0
	for !cut && rows.Next() {
		events = append(events, Event{})
		e := &events[len(events)-1]
		if err := scan.row(rows, e); err != nil {
			return nil, false, err
		}
		bytes += len(e.Data)
		cut = bytes > pageBytesMax
	}
	if n := len(events); n > 0 {
		l.eventBytes.Store(int64(bytes / n))
	}
	rows.Close()
	return events, cut, rows.Err()
}

// At reads the events at the given places, in the order of the log; those where there
// is none are left out. They must be settled: places that were read before.
func (l *Log) At(ctx context.Context, places []int64) ([]Event, error) {
	if len(places) > pageEventsMax {
		return nil, fmt.Errorf("read %d events of the log: at most %d at once", len(places), pageEventsMax)
	}
	return l.pick(ctx, `select `+eventColumns+` from eventlog.events where position = any($1) order by position`, places)
}

// Before reads the last events of a stream before a place, newest first, limit at most.
func (l *Log) Before(ctx context.Context, stream string, place int64, limit int) ([]Event, error) {
	return l.pick(ctx, `select `+eventColumns+` from eventlog.events where stream = $1 and position < $2 order by version desc limit $3`, stream, place, limit)
}

func (l *Log) pick(ctx context.Context, sql string, args ...any) ([]Event, error) {
	rows, err := l.pool.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read events of the log: %w", schema.Explain(err))
	}
	defer rows.Close()
	var events []Event
	scan := scanner{at: l.at}
	for rows.Next() {
		events = append(events, Event{})
		if err := scan.row(rows, &events[len(events)-1]); err != nil {
			return nil, fmt.Errorf("read events of the log: %w", err)
		}
	}
	return events, rows.Err()
}

// postgresEpochMicros is where Postgres' binary times begin, 2000-01-01.
var postgresEpochMicros = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// scanner turns rows of eventColumns or leanColumns, in binary, into events.
type scanner struct {
	at func(place int64) Position
	// apart gives every event a block of its own.
	apart bool
	arena arena.Arena
}

// How many columns a lean reader asks for, and how many any other.
const (
	leanColumnCount  = 9
	eventColumnCount = 14
)

func (s *scanner) row(rows pgx.Rows, e *Event) error {
	v := rows.RawValues()
	if len(v) < leanColumnCount || len(v[0]) != 8 || len(v[1]) != 8 || len(v[2]) != 8 || len(v[3]) != 4 {
		return fmt.Errorf("the log's rows came in another form than binary: the pool must not use the simple protocol")
	}
	e.Position = s.at(int64(binary.BigEndian.Uint64(v[0])))
	e.StreamVersion = int64(binary.BigEndian.Uint64(v[1]))
	e.Time = time.UnixMicro(postgresEpochMicros + int64(binary.BigEndian.Uint64(v[2]))).UTC()
	e.SchemaVersion = int(binary.BigEndian.Uint32(v[3]))
	if s.apart {
		s.arena.Begin(textBytes(v))
	}
	e.ID = s.arena.Text(v[4])
	e.Type = s.arena.Name(v[5])
	e.Stream = s.arena.Text(v[6])
	e.CorrelationID = s.arena.Text(v[7])
	e.Data = s.arena.Bytes(v[8])
	if len(v) == eventColumnCount {
		e.Source = s.arena.Name(v[9])
		e.CausationID = s.arena.Text(v[10])
		e.TraceParent = s.arena.Text(v[11])
		e.PersonID = s.arena.Text(v[12])
		e.Extensions = nil
		if len(v[13]) > 0 {
			e.Extensions = s.arena.Bytes(v[13])
		}
	}
	return nil
}

// textBytes is what a row needs of a block.
func textBytes(v [][]byte) int {
	n := 0
	for _, text := range v[4:] {
		n += len(text)
	}
	return n
}
