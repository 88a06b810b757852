package service

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
)

// ColdName is the cold projector's name: the key of its checkpoint.
const ColdName = "cold"

// Cold writes the set's facts into ClickHouse until ctx ends or a fault halts it.
func Cold(ctx context.Context, application, postgresURL, clickHouseURL string, set *projections.Set, logger *slog.Logger) error {
	log, err := Open(ctx, application, postgresURL, "readside-project-cold", logger)
	if err != nil {
		return err
	}
	defer log.Close()
	conn, err := ClickHouse(clickHouseURL)
	if err != nil {
		return err
	}
	defer conn.Close()
	projector, err := openCold(ctx, ColdConfig(log, conn, set, logger))
	if err != nil {
		return err
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
func openCold(ctx context.Context, cfg cold.Config) (*cold.Projector, error) {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = coldRetryMost
	return backoff.Retry(ctx, func() (*cold.Projector, error) { return cold.Open(ctx, cfg) },
		backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, pause time.Duration) {
			cfg.Logger.WarnContext(ctx, "ClickHouse does not answer; the facts wait for it", "error", err, "retry_in", pause)
		}))
}

// RebuildFacts orders new tables for the facts; it does not fill them.
func RebuildFacts(ctx context.Context, stores Stores, set *projections.Set, logger *slog.Logger) error {
	postgresURL, err := stores.Projector()
	if err != nil {
		return err
	}
	clickHouseURL, err := stores.ClickHouse()
	if err != nil {
		return err
	}
	log, err := Open(ctx, stores.Application, postgresURL, "readside-rebuild", logger)
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
	return projector.Rebuild(ctx)
}

// ColdConfig is the cold projector's configuration.
func ColdConfig(log *OpenLog, conn driver.Conn, set *projections.Set, logger *slog.Logger) cold.Config {
	return cold.Config{Application: log.Application, Name: ColdName, Log: log.Log, Pool: log.Pool, ClickHouse: conn, Set: set, Logger: logger}
}

// ClickHouse connects to ClickHouse; it dials when it is first used.
func ClickHouse(clickHouseURL string) (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(clickHouseURL)
	if err != nil {
		return nil, fmt.Errorf("READSIDE_CLICKHOUSE_URL is no address like http://user:password@127.0.0.1:8123/database: %w", err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("connect to ClickHouse: %w", err)
	}
	return conn, nil
}
