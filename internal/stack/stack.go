package stack

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/readside/readside/internal/service"
)

// Stack is a running application. Stop ends it.
type Stack struct {
	cfg     *Config
	stores  *Stores
	running *running
}

// Start starts everything: the stores, then the services, then projectors and queries.
// They run until Stop, whatever becomes of ctx. What failed to start leaves nothing behind.
func Start(ctx context.Context, cfg Config) (s *Stack, err error) {
	s = &Stack{cfg: &cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.stores, err = OpenStores(ctx, s.cfg); err != nil {
		return s, err
	}
	s.running = newRunning(ctx)
	if err = s.startServices(ctx); err == nil {
		err = s.project()
	}
	if err == nil {
		err = s.serveQueries()
	}
	return s, err
}

// Setup installs what the stores need that are to be started, where it is missing.
func (c *Config) Setup(ctx context.Context, progress io.Writer) (err error) {
	if c.Own == nil {
		return nil
	}
	if c.startsPostgres() {
		err = c.Own.SetupPostgres(ctx, progress, c.PostgresVersion)
	}
	if c.startsClickHouse() {
		err = errors.Join(err, c.Own.SetupClickHouse(ctx, progress))
	}
	return err
}

// Starting names the stores that a configuration starts, such as "Postgres and ClickHouse".
func (c *Config) Starting() string {
	var own []string
	if c.startsPostgres() {
		own = append(own, "Postgres")
	}
	if c.startsClickHouse() {
		own = append(own, "ClickHouse")
	}
	return strings.Join(own, " and ")
}

// Stores are the stores as the programs use them.
func (s *Stack) Stores() service.Stores { return s.stores.Stores }

// MartURL is the address of analysts in a started ClickHouse, and empty where none was started.
func (s *Stack) MartURL() string { return s.stores.MartURL() }

// QueryURL is the address of the GraphQL endpoint.
func (s *Stack) QueryURL() string { return s.running.query.URL() }

// CommandsAddress is the host and port where the services take commands.
func (s *Stack) CommandsAddress() string { return s.running.commands }

// Addresses are the addresses of everything for people: a word and an address each. Those
// of stores that somebody else runs are left out, since they may carry a password.
func (s *Stack) Addresses() [][2]string {
	a := [][2]string{{"GraphQL", s.QueryURL() + "  (GraphiQL in a browser)"}}
	health := s.running.projectHealth + " (projectors)"
	if s.cfg.Services != nil {
		a = append(a, [2]string{"Commands", "http://" + s.running.commands + "/v1/"})
		health += "  " + s.running.servicesHealth + " (services)"
	}
	a = append(a, [2]string{"Health", health})
	return append(a, s.stores.Addresses()...)
}

// Stop ends what runs, the stores last.
func (s *Stack) Stop() error {
	var errs []error
	if s.running != nil {
		errs = append(errs, s.running.stop())
	}
	if s.stores != nil {
		errs = append(errs, s.stores.Stop())
	}
	return errors.Join(errs...)
}

// startServices opens the application's services and serves them apart from the rest,
// since they stop before it.
func (s *Stack) startServices(ctx context.Context) (err error) {
	of, r := s.cfg.Services, s.running
	if of == nil {
		return nil
	}
	listener, err := service.Listen(of.Commands, s.cfg.Say)
	if err != nil {
		return err
	}
	watch := service.NewServicesWatch()
	services, err := watch.Open(ctx, func(ctx context.Context) (service.Running, error) { return of.Open(ctx, s.stores.login) }, s.cfg.Logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	r.commands = listener.Addr().String()
	serving, stop := context.WithCancel(r.life)
	r.stopServices, r.servicesDone = stop, make(chan struct{})
	r.run("the services", func() error {
		defer close(r.servicesDone)
		defer services.Close()
		return service.RunServices(serving, listener, services, s.cfg.Logger)
	})
	r.servicesHealth, err = s.serveHealth("the services' health", of.Health, func(l net.Listener) error {
		return watch.Serve(r.life, l, s.cfg.Logger)
	})
	return err
}

func (s *Stack) project() error {
	postgres, err := s.stores.Projector()
	if err != nil {
		return err
	}
	cfg, r, application := s.cfg, s.running, s.stores.Application
	watch := service.NewWatch(cfg.Set, s.stores.Stores)
	r.run("the hot projector", func() error {
		return service.Hot(r.life, application, postgres, cfg.Set, cfg.Folding, cfg.Logger, watch)
	})
	if len(cfg.Set.Facts()) > 0 {
		clickHouse, err := s.stores.ClickHouse()
		if err != nil {
			return err
		}
		r.run("the cold projector", func() error {
			return service.Cold(r.life, application, postgres, clickHouse, cfg.Set, cfg.Folding, cfg.Logger, watch)
		})
	}
	r.projectHealth, err = s.serveHealth("the projectors' health", cfg.ProjectHealth, func(l net.Listener) error {
		return watch.Serve(r.life, l, application, postgres, cfg.Logger)
	})
	return err
}

// serveHealth takes an address, and returns where the /readyz is that is served there.
func (s *Stack) serveHealth(name string, at service.Address, serve func(net.Listener) error) (ready string, err error) {
	listener, err := service.Listen(at, s.cfg.Say)
	if err != nil {
		return "", err
	}
	s.running.run(name, func() error { return serve(listener) })
	return "http://" + listener.Addr().String() + "/readyz", nil
}

func (s *Stack) serveQueries() (err error) {
	r := s.running
	r.query, err = service.OpenQuery(r.life, s.stores.Stores, s.cfg.API, s.cfg.Query, s.cfg.QueryAddress, s.cfg.Logger, s.cfg.Say)
	if err != nil {
		return err
	}
	r.run("the query service", func() error { return errors.Join(r.query.Run(r.life), r.query.Close()) })
	return nil
}
