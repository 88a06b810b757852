package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/pooler"
	"github.com/readside/readside/internal/session"
	owner "github.com/readside/readside/projections/application"
)

// How long a program waits between tries to reach Postgres at its start.
const (
	startRetryFirst = 100 * time.Millisecond
	startRetryMost  = 5 * time.Second
)

// starting is what a program that waits for Postgres says of it meanwhile.
type starting struct{ err atomic.Pointer[error] }

func (s *starting) note(err error) { s.err.Store(&err) }

// reason is why Postgres could not be used at the last try.
func (s *starting) reason() error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return errors.New("the program has just begun, and connects to Postgres")
}

// awaitPostgres tries until Postgres is there, and logs each change of what it says once.
// What does not pass by itself (a wrong password, a missing role or table, another
// application's database) is returned at once.
func awaitPostgres[T any](ctx context.Context, s *starting, logger *slog.Logger, try func(context.Context) (T, error)) (T, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = startRetryFirst, startRetryMost
	said := ""
	return backoff.Retry(ctx, func() (T, error) {
		result, err := try(ctx)
		s.note(err)
		if err != nil && !isAway(err) {
			return result, backoff.Permanent(err)
		}
		return result, err
	},
		backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, pause time.Duration) {
			if text := kindOf(err); text != said {
				said = text
				logger.WarnContext(ctx, "Postgres cannot be used yet; waiting for it", "error", err, "retry_in", pause)
			}
		}))
}

// isAway reports whether an error passes when the server, or the way to it, is back.
func isAway(err error) bool {
	if owner.Refused(err) || errors.Is(err, owner.ErrNotMigrated) || pooler.Refused(err) {
		return false
	}
	class, _ := session.ClassOf(err)
	var connecting *pgconn.ConnectError
	var network net.Error
	switch class {
	case session.Transient:
		return true
	case session.None:
		return errors.As(err, &connecting) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
			errors.Is(err, context.DeadlineExceeded)
	}
	return false
}

// kindOf is what stays the same while a cause does: ports and times in texts do not.
func kindOf(err error) string {
	if class, code := session.ClassOf(err); class != session.None {
		return code
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}
