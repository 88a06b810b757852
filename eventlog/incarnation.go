package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog/internal/incarnation"
	"github.com/readside/readside/internal/session"
)

// positionAt is a place of the incarnation.
func positionAt(here *incarnation.Incarnation, place int64) Position {
	return NewPosition(here.Log, here.Number, place)
}

// current is the same place in this incarnation. Positions of places that the log has
// lost, and of other logs, are refused.
func current(here *incarnation.Incarnation, p Position) (Position, error) {
	if p.IsZero() || p.SameLog(positionAt(here, 0)) {
		return p, nil
	}
	if p.log != here.Log {
		return p, fmt.Errorf("%w: %s is of another log than %s", ErrForeignPosition, p, positionAt(here, 0))
	}
	bound, known := here.Bound(p.incarnation)
	switch {
	case !known:
		return p, fmt.Errorf("%w: %s is of another copy of this log, which this one does not come from: read again from the start", ErrForeignPosition, p)
	case p.place > bound:
		return p, fmt.Errorf("%w: place %d was lost when the log was restored or failed over: of that incarnation it has the places up to %d; build anew what stands behind them, or read again from the start",
			ErrForeignPosition, p.place, bound)
	}
	return positionAt(here, p.place), nil
}

// Current returns the same place in the incarnation of the log that is here. It asks the
// server first, which may have been replaced since the log was last read. A position of a
// former incarnation names the same events for as long as the log has its place; one that
// was lost at a restore or a failover, or is of another log, is ErrForeignPosition.
func (l *Log) Current(ctx context.Context, p Position) (Position, error) {
	if err := l.Renew(ctx); err != nil {
		return p, err
	}
	return current(l.here.Load(), p)
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

// Resolve returns the same place in the incarnation of the log that is in the database of
// q, which may be a standby. It is for readers of tokens, which do not open the log. A
// place that the log has lost, or that is of another log, is ErrForeignPosition.
func Resolve(ctx context.Context, q interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, p Position) (Position, error) {
	if p.IsZero() {
		return p, nil
	}
	here, there, err := incarnation.Find(ctx, q, p.incarnation, p.place)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return p, fmt.Errorf("%w: the log was never opened here", ErrForeignPosition)
	case err != nil:
		return p, fmt.Errorf("look for the place of a position: %w", err)
	case p.SameLog(positionAt(&here, 0)):
		return p, nil
	case p.log != here.Log:
		return p, fmt.Errorf("%w: it is of another log than the one here", ErrForeignPosition)
	case !there:
		return p, fmt.Errorf("%w: the event at its place was lost when the log was restored or failed over, or is of another copy of the log", ErrForeignPosition)
	}
	return positionAt(&here, p.place), nil
}
