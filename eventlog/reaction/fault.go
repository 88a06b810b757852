package reaction

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

// runError is a fault of a run of several events: which of them it was does not
// matter, since each is delivered again alone.
type runError struct {
	events int
	err    error
}

func (e *runError) Error() string { return fmt.Sprintf("run of %d events: %v", e.events, e.err) }

func (e *runError) Unwrap() error { return e.err }

func isOfARun(err error) bool {
	var run *runError
	return errors.As(err, &run)
}

// isOwnFault reports whether the event itself, or its handler, is to blame, so that
// trying for ever would not help. The infrastructure is not the event's fault, nor
// is another transaction that came first.
func isOwnFault(err error) bool {
	return !isOfARun(err) && !isInfrastructure(err)
}

func isInfrastructure(err error) bool {
	var lasting *lastingConflict
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
		errors.Is(err, errConnection):
		return true
	case errors.As(err, &pg):
		class, _ := session.ClassOf(err)
		return class == session.Transient
	}
	return false
}

// errConnection marks faults of the reactor's own statements: begin, inbox, commit.
var errConnection = errors.New("the service's database did not answer as expected")

// isConstraint: class 23, integrity constraint violation.
func isConstraint(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && strings.HasPrefix(pg.Code, "23")
}

// isSwallowed: COMMIT answered ROLLBACK, since a statement had failed before.
func isSwallowed(err error) bool { return errors.Is(err, pgx.ErrTxCommitRollback) }
