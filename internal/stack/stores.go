package stack

import (
	"context"
	"errors"

	"github.com/readside/readside/internal/service"
)

// migrated are the stores, migrated.
type migrated struct {
	service.Stores
	// login addresses Postgres as one of the services' roles, which log in as themselves on
	// a started one.
	login func(role string) (string, error)
	// readers is the address of analysts in a started ClickHouse.
	readers string
	stops   []func() error
}

// openStores starts the stores that have no address, and migrates Postgres.
func openStores(ctx context.Context, cfg *Config) (s *migrated, err error) {
	s = &migrated{Stores: cfg.Stores, login: cfg.Stores.Acting}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.PostgresURL == "" {
		err = s.startPostgres(ctx, cfg)
	} else {
		err = s.migrate(ctx, cfg)
	}
	if err == nil && cfg.startsClickHouse() {
		err = s.startClickHouse(ctx, cfg)
	}
	return s, err
}

// startPostgres starts a cluster and lets every role log in as itself.
func (s *migrated) startPostgres(ctx context.Context, cfg *Config) error {
	if cfg.Own == nil {
		_, err := cfg.Stores.Admin() // it says how to name one
		return err
	}
	p, err := cfg.Own.StartPostgres(ctx, cfg.PostgresVersion)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, p.Stop)
	s.PostgresURL = p.URL()
	if err := s.migrate(ctx, cfg); err != nil {
		return err
	}
	s.login = func(role string) (string, error) { return p.RoleURL(role), nil }
	s.ProjectorURL = p.RoleURL(service.RoleProjector)
	s.QueryURL = p.RoleURL(service.RoleQuery)
	s.ImporterURL = p.RoleURL(service.RoleImporter)
	return p.AllowLogins(ctx)
}

// migrate brings the database to the newest version, as the application's.
func (s *migrated) migrate(ctx context.Context, cfg *Config) error {
	return service.Migrate(ctx, s.PostgresURL, service.Claiming(s.Application, cfg.Set, false), cfg.Migrations...)
}

func (s *migrated) startClickHouse(ctx context.Context, cfg *Config) error {
	if cfg.Own == nil {
		_, err := cfg.Stores.ClickHouse()
		return err
	}
	c, err := cfg.Own.StartClickHouse(ctx)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, c.Stop)
	s.ClickHouseURL, s.ClickHouseMart, s.readers = c.URL(), c.ServeURL(), c.MartURL()
	return nil
}

// stop ends the started stores and removes their folders.
func (s *migrated) stop() error {
	var errs []error
	for _, stop := range s.stops {
		errs = append(errs, stop())
	}
	s.stops = nil
	return errors.Join(errs...)
}
