package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/readside/readside/eventlog/internal/schema"
)

// Head is the place of the last committed event, settled or not: good for lag.
func (l *Log) Head(ctx context.Context) (Position, error) {
	var place int64
	err := l.pool.QueryRow(ctx, `select coalesce(max(position), 0) from eventlog.events`).Scan(&place)
	if err != nil {
		return Position{}, fmt.Errorf("read the log's head: %w", schema.Explain(err))
	}
	return l.at(place), nil
}

// Kept is the place before the first event that was not archived away.
func (l *Log) Kept(ctx context.Context) (Position, error) {
	var first int64
	if err := l.pool.QueryRow(ctx, `select kept_from from eventlog.log`).Scan(&first); err != nil {
		return Position{}, fmt.Errorf("read the log's first place: %w", schema.Explain(err))
	}
	return l.at(first - 1), nil
}

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
		return 0, false, fmt.Errorf("look how long events wait: %w", schema.Explain(err))
	}
	if waiting == nil {
		return 0, false, nil
	}
	return *waiting, true, nil
}

// Holder is the transaction that holds the log back: it may still fill a place
// before events that are committed already.
type Holder struct {
	// PID, Application and Role name the process; PID is 0 for a prepared transaction.
	PID               int
	Application, Role string
	// Since is when the transaction began, or was prepared.
	Since time.Time
	// TransactionID is its xid; Prepared the name to give COMMIT or ROLLBACK PREPARED.
	TransactionID, Prepared string
}

// String is the holder with what an operator can do about it.
func (h Holder) String() string {
	if h.Prepared != "" {
		return fmt.Sprintf("prepared transaction %q of %s since %s: COMMIT PREPARED or ROLLBACK PREPARED it",
			h.Prepared, h.Role, h.Since.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("process %d (%s, role %s) with a transaction open since %s: let it end, or pg_terminate_backend(%d)",
		h.PID, h.Application, h.Role, h.Since.UTC().Format(time.RFC3339), h.PID)
}

const holderStatement = `
select coalesce(pid, 0), application, role, coalesce(since, now()), transaction_id, prepared
  from eventlog.holders() where virtual_transaction = any($1)
 order by since limit 1`

// Blocker is the oldest transaction that holds the log back at the moment, if any does.
func (l *Log) Blocker(ctx context.Context) (Holder, bool, error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return Holder{}, false, fmt.Errorf("look who holds the log back: %w", err)
	}
	defer conn.Release()
	if r, err := l.settler.Advance(ctx, conn, nil); err != nil || !r.Open {
		return Holder{}, false, err
	}
	waiting, err := l.settler.Waiting(ctx)
	if err != nil || len(waiting) == 0 {
		return Holder{}, false, err
	}
	rows, err := conn.Query(ctx, holderStatement, waiting)
	if err != nil {
		return Holder{}, false, fmt.Errorf("look who holds the log back: %w", err)
	}
	defer rows.Close()
	var h Holder
	found := rows.Next()
	if found {
		err = rows.Scan(&h.PID, &h.Application, &h.Role, &h.Since, &h.TransactionID, &h.Prepared)
	}
	rows.Close()
	if err == nil {
		err = rows.Err()
	}
	return h, found && err == nil, err
}
