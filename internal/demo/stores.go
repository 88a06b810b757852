package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections"
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
	stops []func() error
}

// openStores starts the stores that have no address and migrates Postgres.
func openStores(ctx context.Context, given service.Stores, set *projections.Set) (s *stores, err error) {
	s = &stores{Stores: given}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if given.PostgresURL == "" {
		err = s.startPostgres(ctx, set)
	} else {
		err = s.migrate(ctx, set)
	}
	if err == nil && given.ClickHouseURL == "" {
		err = s.startClickHouse(ctx)
	}
	return s, err
}

// startPostgres starts a durable cluster and lets every role log in as itself.
func (s *stores) startPostgres(ctx context.Context, set *projections.Set) error {
	p, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Durable: true})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, p.Stop)
	if err := createDatabase(ctx, p.URL("postgres", embedded.Superuser)); err != nil {
		return err
	}
	s.PostgresURL = p.URL(postgresDatabase, embedded.Superuser)
	if err := s.migrate(ctx, set); err != nil {
		return err
	}
	s.ProjectorURL = p.URL(postgresDatabase, service.RoleProjector)
	s.QueryURL = p.URL(postgresDatabase, service.RoleQuery)
	s.ImporterURL = p.URL(postgresDatabase, service.RoleImporter)
	return p.AllowLogins(ctx)
}

// migrate brings the database to the newest version, as the application's.
func (s *stores) migrate(ctx context.Context, set *projections.Set) error {
	return service.Migrate(ctx, s.PostgresURL, service.Claiming(s.Application, set, false), migrations.Engine, migrations.Shop)
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
	s.ClickHouseMart = c.URL(cold.MartDatabase(clickHouseDatabase), embedded.ClickHouseReader)
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
