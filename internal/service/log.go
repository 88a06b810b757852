package service

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/session"
)

// connsMax bounds a service's pool.
const connsMax = 8

// OpenLog is the log with the pool and the listener that it stands on.
type OpenLog struct {
	*eventlog.Log
	Pool     *pgxpool.Pool
	Listener *eventlog.Listener
}

// Open opens the log at a Postgres URL, with a name that pg_stat_activity shows. Run
// the Listener, or the log polls. Close it after use.
func Open(ctx context.Context, postgresURL, application string, logger *slog.Logger) (*OpenLog, error) {
	pool, err := Pool(ctx, postgresURL, application)
	if err != nil {
		return nil, err
	}
	listener := eventlog.NewListener(pool.Config().ConnConfig, logger)
	log, err := eventlog.Open(ctx, pool, eventlog.WakenBy(listener))
	if err != nil {
		pool.Close()
		return nil, Hinted(err)
	}
	return &OpenLog{Log: log, Pool: pool, Listener: listener}, nil
}

// Close disconnects.
func (l *OpenLog) Close() { l.Pool.Close() }

// Pool connects to Postgres with a name that pg_stat_activity shows.
func Pool(ctx context.Context, postgresURL, application string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(postgresURL)
	if err != nil {
		return nil, fmt.Errorf("the address of Postgres: %w", err)
	}
	config.MaxConns = connsMax
	config.ConnConfig.RuntimeParams["application_name"] = application
	session.Prepare(&config.ConnConfig.Config, session.Needs{Durable: true})
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return pool, nil
}
