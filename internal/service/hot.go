package service

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/projections"
	owner "github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/engine"
)

// HotName is the projector's name: the key of its checkpoint.
const HotName = "main"

// Hot folds the set's views into Postgres until ctx ends or a fault halts it. It waits
// until Postgres is there.
func Hot(ctx context.Context, application, postgresURL string, set *projections.Set, folding Folding, logger *slog.Logger, watch *Watch) error {
	log, err := awaitPostgres(ctx, watch.begin(), logger, func(ctx context.Context) (*OpenLog, error) {
		return Open(ctx, application, postgresURL, "readside-project", logger)
	})
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer log.Close()
	defer watch.pool("hot", log)()
	config, err := ProjectorConfig(log, postgresURL, set, folding, logger)
	if err != nil {
		return err
	}
	config.Observer = watch.hotObserver()
	projector, err := engine.New(config)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	listening, stop := context.WithCancel(ctx)
	group.Go(func() error { _ = log.Listener.Run(listening); return nil })
	group.Go(func() error { defer stop(); return projector.Run(ctx) })
	return group.Wait()
}

// unlessEnded returns nil for what the end of ctx has ended.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// ProjectorConfig is the hot projector's configuration.
func ProjectorConfig(log *OpenLog, postgresURL string, set *projections.Set, folding Folding, logger *slog.Logger) (engine.Config, error) {
	config, err := ConnConfig(log.Application, postgresURL, "readside-project")
	if err != nil {
		return engine.Config{}, err
	}
	return folding.config(engine.Config{
		Application: log.Application, Name: HotName, Log: log.Log, Postgres: config, Set: set, Logger: logger,
	}), nil
}

// ConnConfig is a single connection's configuration, for a program by whose name
// pg_stat_activity shows it. Every other application's database is refused. The session
// is prepared by the package that connects.
func ConnConfig(application, postgresURL, program string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(postgresURL)
	if err != nil {
		return nil, fmt.Errorf("the address of Postgres: %w", err)
	}
	config.RuntimeParams["application_name"] = program
	return owner.Guard(config, application), nil
}
