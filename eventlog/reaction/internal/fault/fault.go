// Package fault judges the errors of a reaction's attempts at events: is the event to blame, so
// that it becomes a dead letter, or the infrastructure, so that trying again helps?
package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/session"
)

// ErrConnection marks faults of the reactor's own statements: begin, inbox, commit.
var ErrConnection = errors.New("the service's database did not answer as expected")

// runError is a fault of a run of several events: which of them it was does not
// matter, since each is delivered again alone.
type runError struct {
	events int
	err    error
}

func (e *runError) Error() string { return fmt.Sprintf("run of %d events: %v", e.events, e.err) }

func (e *runError) Unwrap() error { return e.err }

// OfRun is the error of a run of several events.
func OfRun(events int, err error) error { return &runError{events: events, err: err} }

// IsOfRun reports whether an error is of a run of several events.
func IsOfRun(err error) bool {
	var run *runError
	return errors.As(err, &run)
}

// IsOwn reports whether the event itself, or its handler, is to blame, so that
// trying for ever would not help. The infrastructure is not the event's fault, nor
// is another transaction that came first.
func IsOwn(err error) bool {
	return !IsOfRun(err) && !IsInfrastructure(err)
}

// IsInfrastructure reports whether an error passes by itself: the network's, the server's, or
// another transaction's that came first.
func IsInfrastructure(err error) bool {
	var lasting *lastingError
	if errors.As(err, &lasting) {
		return false
	}
	var conflict *eventlog.VersionConflictError
	var network net.Error
	var refused *pgconn.ConnectError
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.As(err, &conflict), errors.As(err, &network), errors.As(err, &refused),
		errors.Is(err, ErrConnection):
		return true
	case errors.As(err, &pg):
		class, _ := session.ClassOf(err)
		return class == session.Transient
	}
	return false
}

// OfCommit is an error of COMMIT: a deferred constraint, which a handler broke, speaks up at COMMIT; a
// handler that swallowed an error has left a transaction that rolls back. Both are
// the handler's. Everything else is the connection's.
func OfCommit(err error) error {
	if isConstraint(err) || isSwallowed(err) {
		return fmt.Errorf("commit: %w", err)
	}
	return fmt.Errorf("%w: commit: %w", ErrConnection, err)
}

// isConstraint reports whether an error is of class 23, integrity constraint violation.
func isConstraint(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.HasPrefix(pg.Code, "23")
}

// isSwallowed reports whether COMMIT answered ROLLBACK, since a statement had failed before.
func isSwallowed(err error) bool { return errors.Is(err, pgx.ErrTxCommitRollback) }
