package service

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/internal/session"
)

// Running are an application's own services, connected: its write side.
type Running interface {
	// Handler serves their commands.
	Handler() http.Handler
	// Collector counts what they do.
	Collector() prometheus.Collector
	// Services are what is watched; there is at least one.
	Services() []reaction.Service
	// Run lets them react to each other's events until ctx ends.
	Run(ctx context.Context) error
	// Close disconnects. It is called after Run has returned.
	Close()
}

// Desk is where operators work on the services' dead letters, whether they run or not.
func Desk(running Running) *reaction.Desk {
	var reactors []*reaction.Reactor
	for _, s := range running.Services() {
		if s.Reactor != nil {
			reactors = append(reactors, s.Reactor)
		}
	}
	return reaction.NewDesk(reactors...)
}

// Login returns the address at which a service connects as its role: its own one unless
// that is empty. It has connected there once, since another application's database is an
// error.
type Login func(ctx context.Context, own, role string) (string, error)

// Logins is the Login of an application's services. Services without an address of their
// own connect where common lets their role.
func Logins(application string, common func(role string) (string, error)) Login {
	return func(ctx context.Context, own, role string) (string, error) {
		address := acting(own, role)
		if own == "" {
			var err error
			if address, err = common(role); err != nil {
				return "", err
			}
		}
		config, err := ConnConfig(application, address, "readside-services")
		if err != nil {
			return "", err
		}
		session.Prepare(&config.Config, session.Needs{Durable: true})
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return "", err
		}
		return address, conn.Close(ctx)
	}
}

// Acting is the address of the common Postgres at which its user acts as a role.
func (s Stores) Acting(role string) (string, error) {
	if s.PostgresURL == "" {
		return "", s.noPostgres()
	}
	address, err := As(s.PostgresURL, role)
	if err != nil {
		return "", fmt.Errorf("%sPOSTGRES_URL: %w", s.Variables, err)
	}
	return address, nil
}
