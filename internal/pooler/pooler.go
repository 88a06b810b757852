// Package pooler finds out whether a connection to Postgres goes through a pooler that
// shares server processes among transactions, such as PgBouncer in transaction mode.
// Through one, whatever belongs to a session is lost or reaches strangers: settings, the
// role, LISTEN, advisory locks, prepared statements, and the server process that a lease
// names.
package pooler

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Mode is how a connection reaches its server process.
type Mode int

// The modes.
const (
	Direct      Mode = iota // the client speaks with the server process itself
	Session                 // through a pooler, with a server process of its own
	Transaction             // through a pooler that may change the process after each transaction
)

// Error is returned for a connection that shares its server process.
type Error struct{ Hint string }

func (e *Error) Error() string {
	return "the connection goes through a pooler that shares server processes among transactions, as PgBouncer does in transaction mode: " + e.Hint
}

// Refused reports whether an error is of a connection that shares its server process. It
// will be the same however often it is tried.
func Refused(err error) bool {
	var shared *Error
	return errors.As(err, &shared)
}

// refused is for programs that need sessions.
func refused() error {
	return &Error{"connect to Postgres directly or through a pool in session mode; only serve works through this one"}
}

// Check returns an *Error if the connection shares its server process with others. It
// opens further connections for a moment where a pooler is seen, and asks nothing of a
// connection that was looked at when it was opened.
func Check(ctx context.Context, conn *pgx.Conn) error {
	plain := conn.Config().Config.Copy()
	plain.ValidateConnect, plain.AfterConnect = nil, nil
	return check(ctx, conn.PgConn(), plain)
}

func check(ctx context.Context, conn *pgconn.PgConn, plain *pgconn.Config) error {
	if conn.CustomData()[soundKey] == true {
		return nil
	}
	mode, err := Detect(ctx, conn, opening(plain))
	if err != nil {
		return err
	}
	if mode == Transaction {
		return refused()
	}
	conn.CustomData()[soundKey] = true
	return nil
}

// opening opens connections of a configuration.
func opening(config *pgconn.Config) func(context.Context) (*pgconn.PgConn, error) {
	return func(ctx context.Context) (*pgconn.PgConn, error) { return pgconn.ConnectConfig(ctx, config) }
}

// tries bounds how often the server processes are compared: while other clients are
// busy, one comparison may see the same process by chance.
const tries = 5

// Detect returns how a connection reaches its server process. It changes nothing in the
// session. A pooler hands out a number of its own as the server's process; only where
// it does, others are opened by open, and the first one must keep its process while they
// work:
//
//	conn    which process am I?          101
//	other   begin; which process am I?   101, which was free   or 102
//	conn    which process am I?          103                   or 101: a session of its own
func Detect(ctx context.Context, conn *pgconn.PgConn, open func(context.Context) (*pgconn.PgConn, error)) (Mode, error) {
	first, err := process(ctx, conn)
	if err != nil {
		return Direct, err
	}
	if first == conn.PID() {
		return Direct, nil
	}
	var others []*pgconn.PgConn
	defer func() {
		for _, other := range others {
			_ = other.Close(context.WithoutCancel(ctx)) // and with it the transaction
		}
	}()
	for range tries {
		other, err := open(ctx)
		if err != nil {
			return Direct, fmt.Errorf("look whether a pooler shares server processes: %w", err)
		}
		others = append(others, other)
		if _, err := other.Exec(ctx, "begin read only").ReadAll(); err != nil {
			return Direct, fmt.Errorf("look whether a pooler shares server processes: %w", err)
		}
		theirs, err := process(ctx, other)
		if err != nil {
			return Direct, err
		}
		ours, err := process(ctx, conn)
		if err != nil {
			return Direct, err
		}
		if theirs == first || ours != first {
			return Transaction, nil
		}
	}
	return Session, nil
}

// process returns the server process that carries out a statement now.
func process(ctx context.Context, conn *pgconn.PgConn) (uint32, error) {
	results, err := conn.Exec(ctx, "select pg_backend_pid()").ReadAll()
	if err != nil {
		return 0, fmt.Errorf("ask for the server process: %w", err)
	}
	pid, err := strconv.ParseUint(string(results[0].Rows[0][0]), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("ask for the server process: %w", err)
	}
	return uint32(pid), nil
}
