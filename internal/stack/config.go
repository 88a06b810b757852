// Package stack runs everything of an application in one process: stores of its own where
// none are named, its services, its projectors and its query API. The commands up and demo
// stand on it.
package stack

import (
	"context"
	"log/slog"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/stores"
)

// Config says what runs, and where.
type Config struct {
	// Set are the application's views and facts; API serves them.
	Set *projections.Set
	API queryapi.Definition
	// Migrations make the tables of the log, the projectors and the services.
	Migrations []migrations.Set
	// Stores are the stores and whose they are. Own starts those without an address; where
	// it is nil that is an error.
	Stores service.Stores
	Own    stores.Own
	// PostgresVersion is the major version of a started Postgres; empty is the default.
	PostgresVersion string
	// Folding configures the projectors, Query the query API.
	Folding service.Folding
	Query   queryapi.Config
	// QueryAddress is where queries are answered, ProjectHealth where the health of the
	// projectors is served.
	QueryAddress, ProjectHealth service.Address
	// Services are the application's own, nil where it has none.
	Services *Services
	// Logger gets the services' warnings.
	Logger *slog.Logger
	// Say gets messages for people, such as that an address was busy.
	Say func(message string)
}

// asksClickHouse reports whether anything needs a ClickHouse.
func (c *Config) asksClickHouse() bool { return len(c.Set.Facts()) > 0 || len(c.API.Reports) > 0 }

// startsPostgres and startsClickHouse report whether a store is to be started.
func (c *Config) startsPostgres() bool   { return c.Stores.PostgresURL == "" }
func (c *Config) startsClickHouse() bool { return c.Stores.ClickHouseURL == "" && c.asksClickHouse() }

// Services are an application's own services.
type Services struct {
	// Open connects the services; those without an address of their own where common lets
	// their role.
	Open func(ctx context.Context, common func(role string) (string, error)) (service.Running, error)
	// Commands is where commands are taken, Health where the services' health is served.
	Commands, Health service.Address
}
