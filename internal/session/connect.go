package session

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Connect opens a connection whose session does not depend on what the server, the database
// or the role set by default. The configuration stays as it is.
func Connect(ctx context.Context, config *pgx.ConnConfig, needs Needs) (*pgx.Conn, error) {
	own := config.Copy()
	Prepare(&own.Config, needs)
	return pgx.ConnectConfig(ctx, own)
}
