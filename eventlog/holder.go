package eventlog

import (
	"context"
	"fmt"
	"time"
)

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
	if held, err := l.advance(ctx, conn); err != nil || !held {
		return Holder{}, false, err
	}
	waiting, err := l.settler.waiting(ctx)
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

// waiting are the virtual transactions that the proof under way waits for.
func (s *settler) waiting(ctx context.Context) ([]string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if s.proof == nil {
		return nil, nil
	}
	return append([]string(nil), s.proof.holders...), nil
}
