package eventlog

import (
	"context"
	"fmt"
	"time"
)

// WaitingSQL is an SQL expression of type interval: for how long the first event after a
// place, itself an expression, has been in the log, by the server's clock. It is null when
// there is none. It reads one entry of the primary key, so that those who read checkpoints
// can ask for it in the same statement.
//
// Every age, lag in seconds and stall goes by this, and none by Event.Time: a producer's
// clock may be wrong, and history that is imported is old when it arrives. Of events that
// were appended before the log noted when, it is known that they are there since then.
func WaitingSQL(place string) string {
	return `(select greatest(interval '0', clock_timestamp() - coalesce(e.appended_at, l.clocked_from))
          from eventlog.events e cross join eventlog.log l where e.position > ` + place + ` order by e.position limit 1)`
}

// Waiting returns for how long the first event after a position has been in the log, and
// false when there is none.
func (l *Log) Waiting(ctx context.Context, after Position) (time.Duration, bool, error) {
	if err := l.own(after); err != nil {
		return 0, false, fmt.Errorf("look how long events wait: %w", err)
	}
	var waiting *time.Duration
	if err := l.pool.QueryRow(ctx, `select `+WaitingSQL(`$1`), after.place).Scan(&waiting); err != nil {
		return 0, false, fmt.Errorf("look how long events wait: %w", explainMissing(err))
	}
	if waiting == nil {
		return 0, false, nil
	}
	return *waiting, true, nil
}
