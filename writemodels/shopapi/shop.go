// Package shopapi runs the shop's five services in one process, each with the rights
// of its own role, and serves their commands under /v1/<service>/. It only wires.
package shopapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/writemodels/basket"
	"github.com/readside/readside/writemodels/catalog"
	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/identity"
	"github.com/readside/readside/writemodels/ordering"
	"github.com/readside/readside/writemodels/payment"
	"github.com/readside/readside/writemodels/upcasters"
)

// forgetEvery is how often old idempotency keys are forgotten.
const forgetEvery = time.Minute

// Shop is the five services. New connects, Run works, Close disconnects.
type Shop struct {
	config   Config
	logger   *slog.Logger
	counters *command.Counters
	mux      *http.ServeMux

	listener *announce.Listener
	notifier *announce.Notifier
	services []*service
}

// service is what each of the five has.
type service struct {
	name     string
	pool     *pgxpool.Pool
	log      *eventlog.Log
	executor *command.Executor
	reactor  *reaction.Reactor // nil: it reacts to nothing
	keys     bool              // it has commands, and so idempotency keys
}

// Open is New with the services logged in: login returns the address at which a service
// connects as its role, given the one of the configuration, which may be empty. A fault of
// the configuration is returned before login is called.
func Open(ctx context.Context, config Config, login func(ctx context.Context, own, role string) (string, error), logger *slog.Logger) (*Shop, error) {
	if err := config.limits(); err != nil { // no Postgres is needed, or waited for, to see it
		return nil, err
	}
	config, err := config.LoggedIn(ctx, login)
	if err != nil {
		return nil, err
	}
	return New(ctx, config, logger)
}

// New connects every service and wires it. It starts nothing that Run does not end.
func New(ctx context.Context, config Config, logger *slog.Logger) (*Shop, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	s := &Shop{config: config, logger: logger, counters: command.NewCounters(), mux: http.NewServeMux()}
	if err := s.wire(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Shop) wire(ctx context.Context) error {
	lift, err := upcasters.New()
	if err != nil {
		return err
	}
	for _, a := range s.config.addresses() {
		made, err := s.connect(ctx, a)
		if err != nil {
			return err
		}
		s.services = append(s.services, made)
		if err := s.react(made, lift); err != nil {
			return err
		}
		s.mount(made)
	}
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return nil
}

// handlers are the reactions of a service.
func (s *Shop) handlers(made *service) []reaction.Handler {
	switch made.name {
	case catalog.Name:
		return catalog.Reactions(made.executor)
	case basket.Name:
		return basket.Reactions(made.executor)
	case ordering.Name:
		return ordering.Reactions(made.executor, s.config.Grace)
	case payment.Name:
		return payment.Reactions(made.executor, payment.Limits{CardAmountMax: s.config.CardLimit})
	}
	return nil
}

// mount serves the commands of a service.
func (s *Shop) mount(made *service) {
	api := command.NewAPI(made.name, made.executor, s.counters, s.logger)
	switch made.name {
	case identity.Name:
		identity.Mount(api)
	case catalog.Name:
		catalog.Mount(api)
	case basket.Name:
		basket.Mount(api, made.executor)
	case ordering.Name:
		ordering.Mount(api, made.executor)
	case payment.Name: // it takes no commands
	}
	made.keys = made.name != payment.Name
	s.mux.Handle("/v1/"+made.name+"/", api)
}

// Handler serves /v1/<service>/ and /healthz.
func (s *Shop) Handler() http.Handler { return s.mux }

// Accepted is the number of accepted commands per service.
func (s *Shop) Accepted() map[string]int64 { return s.counters.Accepted() }

// Collector hands the commands' counts to Prometheus.
func (s *Shop) Collector() prometheus.Collector { return s.counters }

// Reacted is up to where in the log each service that reacts has done so.
func (s *Shop) Reacted() map[string]eventlog.Position {
	positions := map[string]eventlog.Position{}
	for _, made := range s.services {
		if made.reactor != nil {
			positions[made.name] = made.reactor.Position()
		}
	}
	return positions
}

// Reactors are the reactions of the services that have some.
func (s *Shop) Reactors() (all []*reaction.Reactor) {
	for _, made := range s.services {
		if made.reactor != nil {
			all = append(all, made.reactor)
		}
	}
	return all
}

// Services are the five.
func (s *Shop) Services() (all []reaction.Service) {
	for _, made := range s.services {
		all = append(all, reaction.Service{Name: made.name, Role: schema(made.name), Pool: made.pool, Log: made.log, Reactor: made.reactor})
	}
	return all
}

// Desk is where operators work on the services' dead letters, whether the shop runs or not.
func (s *Shop) Desk() *reaction.Desk { return reaction.NewDesk(s.Reactors()...) }

// Run lets the services react, ends grace periods, and forgets old keys, until ctx ends.
func (s *Shop) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.listener.Run(ctx) })
	group.Go(func() error { return s.notifier.Run(ctx) })
	for _, made := range s.services {
		if made.reactor != nil {
			group.Go(func() error { return made.reactor.Run(ctx) })
		}
		if made.keys {
			group.Go(func() error { return s.forget(ctx, made) })
		}
		if made.name == ordering.Name {
			group.Go(func() error { return ordering.Grace(ctx, made.executor, s.config.Grace, s.logger) })
		}
	}
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// forget deletes a service's old idempotency keys from time to time.
func (s *Shop) forget(ctx context.Context, made *service) error {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if _, err := made.executor.Forget(ctx, s.config.KeyAge); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "old idempotency keys were not forgotten; tried again later", "service", made.name, "error", err.Error())
		}
	}
}

// Close disconnects. Call it after Run has returned.
func (s *Shop) Close() {
	for _, made := range s.services {
		made.pool.Close()
	}
}
