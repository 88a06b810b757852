package queryapi

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/pooler"
	"github.com/readside/readside/internal/session"
)

// sharing gives each connection its settings, by the way that it reaches the server:
// its session's at the start, or each transaction's own where a pooler shares server
// processes and would lose them or hand them to strangers.
type sharing struct {
	plain    *pgconn.Config // the address without settings of ours
	settings map[string]string

	mu    sync.Mutex
	known bool
	mode  pooler.Mode
}

// localSettings is where a connection keeps the settings of its transactions.
const localSettings = "readside.local_settings"

// detect looks once how the address reaches the server.
func (s *sharing) detect(ctx context.Context) (pooler.Mode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return s.mode, nil
	}
	plain := s.plain.Copy()
	role := plain.RuntimeParams["role"]
	delete(plain.RuntimeParams, "role") // a pooler may refuse it, before it can be seen
	open := func(ctx context.Context) (*pgconn.PgConn, error) { return pgconn.ConnectConfig(ctx, plain) }
	conn, err := open(ctx)
	if err != nil {
		return s.mode, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	mode, err := pooler.Detect(ctx, conn, open)
	if err != nil {
		return s.mode, err
	}
	if mode == pooler.Transaction && role != "" {
		if err := isAlready(ctx, conn, role); err != nil {
			return s.mode, err
		}
	}
	s.mode, s.known = mode, true
	return mode, nil
}

// isAlready returns an error unless a login is the role that the address asks for, by its
// name or by ALTER ROLE login SET role: no session can act as another one there.
func isAlready(ctx context.Context, conn *pgconn.PgConn, role string) error {
	results, err := conn.Exec(ctx, "select current_user::text").ReadAll()
	if err != nil {
		return fmt.Errorf("ask for the role: %w", err)
	}
	if user := string(results[0].Rows[0][0]); user != role {
		return &pooler.Error{Hint: fmt.Sprintf("no session can act as role %s through it, and the login is %s: log in as %s itself, or `ALTER ROLE %s SET role = %s`, or connect to Postgres directly",
			role, user, role, pgx.Identifier{user}.Sanitize(), pgx.Identifier{role}.Sanitize())}
	}
	return nil
}

func (s *sharing) beforeConnect(ctx context.Context, config *pgx.ConnConfig) error {
	mode, err := s.detect(ctx)
	if err != nil {
		return err
	}
	if mode == pooler.Transaction {
		delete(config.RuntimeParams, "role") // the login is that already, and a pooler may refuse it
		// Statements by name live in one server process.
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return nil
	}
	session.Prepare(&config.Config, session.Needs{ReadOnly: true, Kept: true, Settings: s.settings})
	return nil
}

func (s *sharing) afterConnect(ctx context.Context, conn *pgx.Conn) error {
	mode, err := s.detect(ctx)
	if err == nil && mode == pooler.Transaction {
		conn.PgConn().CustomData()[localSettings] = s.settings
	}
	return err
}

// queueSettings lets a batch's transaction begin with the settings that its session
// cannot keep.
func queueSettings(batch *pgx.Batch, conn *pgx.Conn) {
	settings, ok := conn.PgConn().CustomData()[localSettings].(map[string]string)
	if !ok {
		return
	}
	for name, value := range settings {
		batch.Queue("select set_config($1, $2, true)", name, value)
	}
}

// skipSettings reads the answers of queueSettings.
func skipSettings(answers pgx.BatchResults, conn *pgx.Conn) error {
	settings, _ := conn.PgConn().CustomData()[localSettings].(map[string]string)
	for range settings {
		if _, err := answers.Exec(); err != nil {
			return err
		}
	}
	return nil
}
