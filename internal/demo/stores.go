package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections/cold"
)

// The databases of started stores.
const (
	postgresDatabase   = "readside"
	clickHouseDatabase = "readside"
)

// stores are the demo's stores, migrated.
type stores struct {
	service.Stores
	// readers is the address of analysts in a started ClickHouse. The reports of `serve` have
	// another user, so that they wait for no analyst.
	readers string
	stops   []func() error
}

// openStores starts the stores that have no address and migrates Postgres.
func openStores(ctx context.Context, given service.Stores) (s *stores, err error) {
	s = &stores{Stores: given}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if given.PostgresURL == "" {
		err = s.startPostgres(ctx)
	} else {
		err = migrations.Up(ctx, given.PostgresURL, migrations.Engine, migrations.Shop)
	}
	if err == nil && given.ClickHouseURL == "" {
		err = s.startClickHouse(ctx)
	}
	return s, err
}

// startPostgres starts a durable cluster and lets every role log in as itself.
func (s *stores) startPostgres(ctx context.Context) error {
	p, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Durable: true})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, p.Stop)
	if err := createDatabase(ctx, p.URL("postgres", embedded.Superuser)); err != nil {
		return err
	}
	s.PostgresURL = p.URL(postgresDatabase, embedded.Superuser)
	if err := migrations.Up(ctx, s.PostgresURL, migrations.Engine, migrations.Shop); err != nil {
		return err
	}
	s.ProjectorURL = p.URL(postgresDatabase, service.RoleProjector)
	s.QueryURL = p.URL(postgresDatabase, service.RoleQuery)
	s.ImporterURL = p.URL(postgresDatabase, service.RoleImporter)
	return p.AllowLogins(ctx)
}

func createDatabase(ctx context.Context, admin string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return fmt.Errorf("create the demo's database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "create database "+postgresDatabase); err != nil {
		return fmt.Errorf("create the demo's database: %w", err)
	}
	return nil
}

func (s *stores) startClickHouse(ctx context.Context) error {
	c, err := embedded.StartClickHouse(ctx, embedded.ClickHouseOptions{})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, c.Stop)
	conn, err := service.ClickHouse(c.URL("default", embedded.ClickHouseUser))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE DATABASE "+clickHouseDatabase); err != nil {
		return fmt.Errorf("create the demo's ClickHouse database: %w", err)
	}
	s.ClickHouseURL = c.URL(clickHouseDatabase, embedded.ClickHouseUser)
	s.ClickHouseMart = c.URL(cold.MartDatabase(clickHouseDatabase), embedded.ClickHouseServe)
	s.readers = c.URL(cold.MartDatabase(clickHouseDatabase), embedded.ClickHouseReader)
	return nil
}

// stop ends the started stores and removes their folders.
func (s *stores) stop() error {
	var errs []error
	for _, stop := range s.stops {
		errs = append(errs, stop())
	}
	s.stops = nil
	return errors.Join(errs...)
}
