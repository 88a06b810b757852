package eventlog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

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
		return nil, fmt.Errorf("read events of the log: %w", explainMissing(err))
	}
	defer rows.Close()
	var events []Event
	scan := scanner{log: l}
	for rows.Next() {
		events = append(events, Event{})
		if err := scan.row(rows, &events[len(events)-1]); err != nil {
			return nil, fmt.Errorf("read events of the log: %w", err)
		}
	}
	return events, rows.Err()
}
