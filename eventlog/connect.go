package eventlog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/session"
)

// connect opens a connection of the log's own, whose sessions do not depend on what the
// server, the database or the role set by default.
func connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	own := config.Copy()
	session.Prepare(&own.Config, session.Needs{})
	return pgx.ConnectConfig(ctx, own)
}
