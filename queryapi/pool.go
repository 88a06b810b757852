package queryapi

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/projections/application"
)

// OpenPool connects to Postgres as the query API should: reading only, and with
// bounds on statements and on transactions that nobody ends. A database that belongs to
// another application is refused at every connection. A pooler that shares server
// processes among transactions will do: then each transaction brings its settings.
func OpenPool(ctx context.Context, url string, c Config) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("queryapi: the Postgres URL cannot be read: %w", err)
	}
	milliseconds := fmt.Sprint(c.RequestTimeout.Milliseconds())
	s := &sharing{plain: config.ConnConfig.Config.Copy(), settings: map[string]string{
		"default_transaction_read_only":       "on",
		"statement_timeout":                   milliseconds,
		"idle_in_transaction_session_timeout": milliseconds,
		"jit":                                 "off", // pages are small: compiling them costs more than it saves
	}}
	if err := application.ValidName(c.Application); err != nil {
		return nil, fmt.Errorf("queryapi: Config.Application: %w", err)
	}
	config.ConnConfig.RuntimeParams["application_name"] = "readside-query"
	config.ConnConfig = application.Guard(config.ConnConfig, c.Application)
	config.BeforeConnect, config.AfterConnect = s.beforeConnect, s.afterConnect
	return pgxpool.NewWithConfig(ctx, config)
}
