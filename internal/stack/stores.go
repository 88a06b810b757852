package stack

import (
	"context"
	"errors"

	"github.com/readside/readside/internal/service"
)

// Stores are an application's stores, migrated. Stop ends those that were started.
type Stores struct {
	service.Stores
	// login addresses Postgres as one of the services' roles, which log in as themselves on
	// a started one.
	login func(role string) (string, error)
	// startedPostgres reports whether Postgres was started. readers is the address of analysts
	// in a started ClickHouse.
	startedPostgres bool
	readers         string
	stops           []func() error
}

// OpenStores starts the stores that have no address, and migrates Postgres. What failed to
// start leaves nothing behind.
func OpenStores(ctx context.Context, cfg *Config) (s *Stores, err error) {
	s = &Stores{Stores: cfg.Stores, login: cfg.Stores.Acting}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
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
func (s *Stores) startPostgres(ctx context.Context, cfg *Config) error {
	if cfg.Own == nil {
		_, err := cfg.Stores.Admin() // it says how to name one
		return err
	}
	p, err := cfg.Own.StartPostgres(ctx, cfg.PostgresVersion)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, p.Stop)
	s.PostgresURL, s.startedPostgres = p.URL(), true
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
func (s *Stores) migrate(ctx context.Context, cfg *Config) error {
	return service.Migrate(ctx, s.PostgresURL, service.Claiming(s.Application, cfg.Set, false), cfg.Migrations...)
}

func (s *Stores) startClickHouse(ctx context.Context, cfg *Config) error {
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

// MartURL is the address of analysts in a started ClickHouse, and empty where none was started.
func (s *Stores) MartURL() string { return s.readers }

// Addresses are those of the started stores for people: a word and an address each.
func (s *Stores) Addresses() (a [][2]string) {
	if s.startedPostgres {
		a = append(a, [2]string{"Postgres", s.PostgresURL})
	}
	if s.readers != "" {
		a = append(a, [2]string{"ClickHouse", s.readers + "  (read-only)"})
	}
	return a
}

// Stop ends the started stores and removes their folders.
func (s *Stores) Stop() error {
	var errs []error
	for _, stop := range s.stops {
		errs = append(errs, stop())
	}
	s.stops = nil
	return errors.Join(errs...)
}
