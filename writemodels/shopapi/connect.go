package shopapi

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/announce"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/writemodels/command"
)

// reactRest is how long a service gathers events before it reacts: an order's way takes
// seconds anyhow.
const reactRest = 5 * time.Millisecond

// sessionOf is what a service's session is set to. The timeouts bound what it may hold up: an open
// transaction that has appended holds back every reader of the log.
func sessionOf(name string) map[string]string {
	return map[string]string{
		"application_name":                    "readside-shop-" + name,
		"idle_in_transaction_session_timeout": "10s",
		"lock_timeout":                        "5s",
		"statement_timeout":                   "10s",
		// Every statement of a service looks up by key, so one plan is right for all
		// values, and planning is most of what such a statement costs.
		"plan_cache_mode": "force_generic_plan",
	}
}

// connect opens a service's pool and log with the rights of its own role.
func (s *Shop) connect(ctx context.Context, a address) (*service, error) {
	url, err := a.resolve(s.config.PostgresURL)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("shop: the Postgres address of %s: %w", a.service, err)
	}
	config.MaxConns = s.config.ConnsMax
	session.Prepare(&config.ConnConfig.Config, session.Needs{Durable: true, Settings: sessionOf(a.service)})
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("shop: connect %s: %w", a.service, err)
	}
	s.announcing(config.ConnConfig)
	log, err := eventlog.Open(ctx, pool, eventlog.WithListener(s.listener), eventlog.WithRest(reactRest))
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("shop: service %s as role %q: %w", a.service, config.ConnConfig.User, err)
	}
	executor := command.NewExecutor(command.Config{Log: log, Pool: pool, Schema: schema(a.service), Announce: s.notifier.Announce})
	return &service{name: a.service, pool: pool, log: log, executor: executor}, nil
}

// announcing makes the process's one listener and one notifier, of the first service.
func (s *Shop) announcing(config *pgx.ConnConfig) {
	if s.listener == nil {
		s.listener = announce.NewListener(config, s.logger)
		s.notifier = announce.NewNotifier(config, s.logger, announce.Events)
	}
}

// react makes the reactor of a service that has reactions.
func (s *Shop) react(made *service, lift *eventlog.Upcasters) error {
	handlers := s.handlers(made)
	if len(handlers) == 0 {
		return nil
	}
	reactor, err := reaction.New(reaction.Config{
		Log: made.log, Pool: made.pool, Schema: schema(made.name), Name: made.name,
		Upcasters: lift, Logger: s.logger, Notifier: s.notifier, Around: made.executor.Together,
	}, handlers...)
	if err != nil {
		return fmt.Errorf("shop: reactions of %s: %w", made.name, err)
	}
	made.reactor = reactor
	return nil
}

func schema(service string) string { return "shop_" + service }
