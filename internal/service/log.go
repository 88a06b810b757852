package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/internal/pooler"
	"github.com/readside/readside/internal/session"
	owner "github.com/readside/readside/projections/application"
)

// connsMax bounds a service's pool.
const connsMax = 8

// OpenLog is the log with the pool and the listener that it stands on.
type OpenLog struct {
	*eventlog.Log
	// Application is the one that the database belongs to.
	Application string
	Pool        *pgxpool.Pool
	Listener    *announce.Listener
}

// Open opens the application's log at a Postgres URL, for a program by whose name
// pg_stat_activity shows it. Run the Listener, or the log polls. Close it after use.
func Open(ctx context.Context, application, postgresURL, program string, logger *slog.Logger) (*OpenLog, error) {
	pool, err := Pool(ctx, application, postgresURL, program)
	if err != nil {
		return nil, err
	}
	listener := announce.NewListener(pool.Config().ConnConfig, logger)
	log, err := eventlog.Open(ctx, pool, eventlog.WithListener(listener))
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &OpenLog{Log: log, Application: application, Pool: pool, Listener: listener}, nil
}

// Close disconnects.
func (l *OpenLog) Close() { l.Pool.Close() }

// Pool connects to the application's Postgres, for a program by whose name
// pg_stat_activity shows it. Every other application's database is refused.
func Pool(ctx context.Context, application, postgresURL, program string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(postgresURL)
	if err != nil {
		return nil, fmt.Errorf("the address of Postgres: %w", err)
	}
	config.MaxConns = connsMax
	config.ConnConfig.RuntimeParams["application_name"] = program
	config.ConnConfig = owner.Guard(config.ConnConfig, application)
	session.Prepare(&config.ConnConfig.Config, session.Needs{Durable: true})
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	// Where Postgres is away it is asked at the next connection.
	if err := pool.Ping(ctx); refused(err) {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// refused reports whether a database is not the application's, or not yet, or cannot be
// used the way that it is addressed.
func refused(err error) bool {
	return owner.Refused(err) || errors.Is(err, owner.ErrNotMigrated) || pooler.Refused(err)
}
