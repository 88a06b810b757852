package queryapi

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/session"
)

// OpenPool connects to Postgres as the query API should: reading only, and with
// bounds on statements and on transactions that nobody ends.
func OpenPool(ctx context.Context, url string, c Config) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("queryapi: the Postgres URL cannot be read: %w", err)
	}
	milliseconds := fmt.Sprint(c.RequestTimeout.Milliseconds())
	config.ConnConfig.RuntimeParams["application_name"] = "readside-query"
	session.Prepare(&config.ConnConfig.Config, session.Needs{ReadOnly: true, Settings: map[string]string{
		"statement_timeout":                   milliseconds,
		"idle_in_transaction_session_timeout": milliseconds,
		"jit":                                 "off", // pages are small: compiling them costs more than it saves
	}})
	return pgxpool.NewWithConfig(ctx, config)
}
