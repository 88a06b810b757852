package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/session"
)

// home is which log this is, and in which incarnation: it begins a new one wherever it is
// started from a copy (a promoted standby, a restore, a dump). It is replaced whole when
// the server behind the pool turns out to be such a copy.
type home struct {
	identity    uuid.UUID
	incarnation int32
	// bounds are, of each former incarnation, the last place that the log still has of it.
	bounds map[int32]int64
}

// readHome opens the log on the server: it may begin a new incarnation there.
func readHome(ctx context.Context, q querier) (*home, error) {
	h := &home{bounds: map[int32]int64{}}
	var incarnations []int32
	var bounds []int64
	// The function runs before the incarnations are read, in a statement of its own.
	err := q.QueryRow(ctx, `select identity::text, incarnation from eventlog.open_log()`).Scan(&h.identity, &h.incarnation)
	if err == nil {
		err = q.QueryRow(ctx, `select coalesce(array_agg(i.incarnation), '{}'), coalesce(array_agg(eventlog.bound_of(i.incarnation)), '{}')
  from eventlog.incarnations i where i.incarnation <> $1`, h.incarnation).Scan(&incarnations, &bounds)
	}
	if err != nil {
		return nil, explainMissing(err)
	}
	for i, n := range incarnations {
		h.bounds[n] = bounds[i]
	}
	return h, nil
}

// at is a place of the incarnation.
func (h *home) at(place int64) Position { return NewPosition(h.identity, h.incarnation, place) }

// current is the same place in this incarnation. Positions of places that the log has
// lost, and of other logs, are refused.
func (h *home) current(p Position) (Position, error) {
	if p.IsZero() || p.SameLog(h.at(0)) {
		return p, nil
	}
	if p.log != h.identity {
		return p, fmt.Errorf("%w: %s is of another log than %s", ErrForeignPosition, p, h.at(0))
	}
	bound, known := h.bounds[p.incarnation]
	switch {
	case !known:
		return p, fmt.Errorf("%w: %s is of another copy of this log, which this one does not come from: read again from the start", ErrForeignPosition, p)
	case p.place > bound:
		return p, fmt.Errorf("%w: place %d was lost when the log was restored or failed over: of that incarnation it has the places up to %d; build anew what stands behind them, or read again from the start",
			ErrForeignPosition, p.place, bound)
	}
	return h.at(p.place), nil
}

// Current returns the same place in the incarnation of the log that is here. It asks the
// server first, which may have been replaced since the log was last read. A position of a
// former incarnation names the same events for as long as the log has its place; one that
// was lost at a restore or a failover, or is of another log, is ErrForeignPosition.
func (l *Log) Current(ctx context.Context, p Position) (Position, error) {
	if err := l.Renew(ctx); err != nil {
		return p, err
	}
	return l.home.Load().current(p)
}

// Renew asks the server which log this is. A program that runs on over a failover calls it
// before it compares what is stored with the log; reading and appending do so by themselves.
func (l *Log) Renew(ctx context.Context) error {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("open the log again: %w", err)
	}
	defer conn.Release()
	if err := l.identify(ctx, conn); err != nil {
		return fmt.Errorf("open the log again: %w", err)
	}
	return nil
}

// identifyApart opens the log over a connection of its own: what a caller's transaction
// opened would be gone if that was rolled back, and would count its own events among those
// of before.
func (l *Log) identifyApart(ctx context.Context) error {
	conn, err := session.Connect(ctx, l.pool.Config().ConnConfig, session.Needs{})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it has been asked all it was for
	return l.identify(ctx, conn)
}

// resolveSQL reads what becomes of a place of an incarnation. A place is there as long as
// its event is, or was archived: what a client was told of stands at a place with an event.
const resolveSQL = `
select l.identity::text, l.incarnation, coalesce(eventlog.bound_of($1), $2) >= $2
       and ($2 < l.kept_from or exists (select from eventlog.events e where e.position = $2))
  from eventlog.log l where l.identity is not null`

// Resolve returns the same place in the incarnation of the log that is in the database of
// q, which may be a standby. It is for readers of tokens, which do not open the log. A
// place that the log has lost, or that is of another log, is ErrForeignPosition.
func Resolve(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, p Position) (Position, error) {
	if p.IsZero() {
		return p, nil
	}
	var h home
	var there bool
	err := q.QueryRow(ctx, resolveSQL, p.incarnation, p.place).Scan(&h.identity, &h.incarnation, &there)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return p, fmt.Errorf("%w: the log was never opened here", ErrForeignPosition)
	case err != nil:
		return p, fmt.Errorf("look for the place of a position: %w", explainMissing(err))
	case p.SameLog(h.at(0)):
		return p, nil
	case p.log != h.identity:
		return p, fmt.Errorf("%w: it is of another log than the one here", ErrForeignPosition)
	case !there:
		return p, fmt.Errorf("%w: the event at its place was lost when the log was restored or failed over, or is of another copy of the log", ErrForeignPosition)
	}
	return h.at(p.place), nil
}
