package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	owner "github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/cold"
)

// ColdName is the cold projector's name: the key of its checkpoint.
const ColdName = "cold"

// Cold writes the set's facts into ClickHouse until ctx ends or a fault halts it. Of folding
// it takes how many events may be parked, and how fast the facts are compared with the log.
// It waits until both stores are there.
func Cold(ctx context.Context, application, postgresURL, clickHouseURL string, set *projections.Set, folding Folding, logger *slog.Logger, watch *Watch) error {
	log, err := awaitPostgres(ctx, watch.begin(), slog.New(slog.DiscardHandler), func(ctx context.Context) (*OpenLog, error) {
		return Open(ctx, application, postgresURL, "readside-project-cold", logger) // Hot logs what it waits for
	})
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer log.Close()
	defer watch.pool("cold", log)()
	conn, err := ClickHouse(clickHouseURL)
	if err != nil {
		return err
	}
	defer conn.Close()
	config := ColdConfig(log, conn, set, logger)
	config.ParkedMax, config.WatchRate, config.Observer = folding.ParkedMax, folding.WatchRate, watch.coldObserver()
	projector, err := openCold(ctx, config, clickHouseURL)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	group, ctx := errgroup.WithContext(ctx)
	listening, stop := context.WithCancel(ctx)
	group.Go(func() error { _ = log.Listener.Run(listening); return nil })
	group.Go(func() error { defer stop(); return projector.Run(ctx) })
	return group.Wait()
}

// coldRetryMost is the longest pause between two tries to reach ClickHouse at the start.
const coldRetryMost = 5 * time.Second

// openCold tries until ClickHouse answers: the views do not need it, and the facts follow.
// In a ClickHouse that is empty it creates the database.
func openCold(ctx context.Context, cfg cold.Config, clickHouseURL string) (*cold.Projector, error) {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = coldRetryMost
	return backoff.Retry(ctx, func() (*cold.Projector, error) {
		projector, err := cold.Open(ctx, cfg)
		if err != nil && refusedForGood(err) {
			return nil, backoff.Permanent(err)
		}
		if !noDatabase(err) {
			return projector, err
		}
		if err := createDatabase(ctx, clickHouseURL); err != nil {
			return nil, err
		}
		cfg.Logger.InfoContext(ctx, "created the database of the facts, which ClickHouse did not have")
		return cold.Open(ctx, cfg)
	},
		backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, pause time.Duration) {
			message := "ClickHouse does not answer; the facts wait for it"
			if fault := new(clickhouse.Exception); errors.As(err, &fault) {
				message = "ClickHouse refuses; the facts wait until that is mended"
			}
			cfg.Logger.WarnContext(ctx, message, "error", err, "retry_in", pause)
		}))
}

// refusedForGood reports whether it will be the same however often it is tried: the stores
// are another application's, or Postgres refuses what does not pass by itself.
func refusedForGood(err error) bool {
	var strange *cold.StrangeTablesError
	class, _ := session.ClassOf(err)
	return owner.Refused(err) || errors.As(err, &strange) || class == session.Permanent
}

// noDatabase reports whether ClickHouse does not have the database that its address names.
func noDatabase(err error) bool {
	const unknownDatabase = 81
	fault := new(clickhouse.Exception)
	return errors.As(err, &fault) && fault.Code == unknownDatabase
}

// createDatabase creates the database that the address names.
func createDatabase(ctx context.Context, clickHouseURL string) error {
	options, err := clickhouse.ParseDSN(clickHouseURL)
	if err != nil {
		return fmt.Errorf("the address of ClickHouse: %w", err)
	}
	statement := "CREATE DATABASE IF NOT EXISTS `" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(options.Auth.Database) + "`"
	options.Auth.Database = "default"
	conn, err := clickhouse.Open(options)
	if err != nil {
		return fmt.Errorf("connect to ClickHouse: %w", err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("ClickHouse has no database of the name that its address says, and this user may not create it: run %s as one who may: %w", statement, err)
	}
	return nil
}

// RebuildFacts orders new tables for the facts; it does not fill them.
func RebuildFacts(ctx context.Context, stores Stores, set *projections.Set, logger *slog.Logger) error {
	return withCold(ctx, stores, set, "readside-rebuild", logger, (*cold.Projector).Rebuild)
}

// TakeFacts confirms that ClickHouse is to follow this copy of the log.
func TakeFacts(ctx context.Context, stores Stores, set *projections.Set, logger *slog.Logger) error {
	return withCold(ctx, stores, set, "readside-facts", logger, (*cold.Projector).TakeClickHouse)
}

// withCold opens the cold projector, without running it, for an operator's order.
func withCold(ctx context.Context, stores Stores, set *projections.Set, program string, logger *slog.Logger, order func(*cold.Projector, context.Context) error) error {
	postgresURL, err := stores.Projector()
	if err != nil {
		return err
	}
	clickHouseURL, err := stores.ClickHouse()
	if err != nil {
		return err
	}
	log, err := Open(ctx, stores.Application, postgresURL, program, logger)
	if err != nil {
		return err
	}
	defer log.Close()
	conn, err := ClickHouse(clickHouseURL)
	if err != nil {
		return err
	}
	defer conn.Close()
	projector, err := cold.Open(ctx, ColdConfig(log, conn, set, logger))
	if err != nil {
		return err
	}
	return order(projector, ctx)
}

// ColdConfig is the cold projector's configuration.
func ColdConfig(log *OpenLog, conn driver.Conn, set *projections.Set, logger *slog.Logger) cold.Config {
	return cold.Config{Application: log.Application, Name: ColdName, Log: log.Log, Pool: log.Pool, ClickHouse: conn, Set: set, Logger: logger}
}

// ClickHouse connects to ClickHouse; it dials when it is first used.
func ClickHouse(clickHouseURL string) (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(clickHouseURL)
	if err != nil {
		return nil, fmt.Errorf("the address of ClickHouse is none like http://user:password@127.0.0.1:8123/database: %w", err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("connect to ClickHouse: %w", err)
	}
	return conn, nil
}
