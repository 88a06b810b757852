package demo

import (
	"context"
	"errors"

	"github.com/readside/readside/internal/ownstores"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections"
)

// stores are the demo's stores, migrated.
type stores struct {
	service.Stores
	// login addresses Postgres as one of the services' roles, which log in as themselves on
	// the demo's own.
	login func(role string) (string, error)
	// readers is the address of analysts in a started ClickHouse. The reports of `serve` have
	// another user, so that they wait for no analyst.
	readers string
	stops   []func() error
}

// openStores starts the stores that have no address and migrates Postgres; version is
// that of the one it starts.
func openStores(ctx context.Context, given service.Stores, version string, set *projections.Set) (s *stores, err error) {
	s = &stores{Stores: given, login: given.Acting}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if given.PostgresURL == "" {
		err = s.startPostgres(ctx, version, set)
	} else {
		err = s.migrate(ctx, set)
	}
	if err == nil && given.ClickHouseURL == "" {
		err = s.startClickHouse(ctx)
	}
	return s, err
}

// startPostgres starts a cluster and lets every role log in as itself.
func (s *stores) startPostgres(ctx context.Context, version string, set *projections.Set) error {
	p, err := ownstores.StartPostgres(ctx, version)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, p.Stop)
	s.PostgresURL = p.URL()
	if err := s.migrate(ctx, set); err != nil {
		return err
	}
	s.login = func(role string) (string, error) { return p.RoleURL(role), nil }
	s.ProjectorURL = p.RoleURL(service.RoleProjector)
	s.QueryURL = p.RoleURL(service.RoleQuery)
	s.ImporterURL = p.RoleURL(service.RoleImporter)
	return p.AllowLogins(ctx)
}

// migrate brings the database to the newest version, as the application's.
func (s *stores) migrate(ctx context.Context, set *projections.Set) error {
	return service.Migrate(ctx, s.PostgresURL, service.Claiming(s.Application, set, false), migrations.Engine, migrations.Shop)
}

func (s *stores) startClickHouse(ctx context.Context) error {
	c, err := ownstores.StartClickHouse(ctx)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, c.Stop)
	s.ClickHouseURL, s.ClickHouseMart, s.readers = c.URL(), c.ServeURL(), c.MartURL()
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
