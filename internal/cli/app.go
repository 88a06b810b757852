package cli

import (
	"context"
	"log/slog"
	"strings"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/stores"
)

// App is an application as its command line needs it.
type App struct {
	// Name is the program's name: the first word of its commands, and, in capitals, the
	// beginning of its environment variables.
	Name string
	// Application is the name that its stores are recorded under.
	Application string
	// Set returns its views and facts.
	Set func() (*projections.Set, error)
	// Definition is what its query API serves, beside the set.
	Definition queryapi.Definition
	// Services are its own services, nil where it has none.
	Services *Services
	// Own starts stores where none are named; nil where the program cannot.
	Own stores.Own
}

// Services are an application's own services, which append events.
type Services struct {
	// Command is the name of the command that runs them, Short what its help says.
	Command, Short string
	// Migrations make the services' tables, in this order.
	Migrations []migrations.Set
	// Settings returns a pointer to a struct that envconfig fills in.
	Settings func() any
	// Open connects the services, each where login says.
	Open func(ctx context.Context, settings any, login service.Login, logger *slog.Logger) (service.Running, error)
}

// Migrations are the sets of the application's database, each after those that it stands on.
func (a App) Migrations() []migrations.Set {
	sets := []migrations.Set{migrations.Engine}
	if a.Services != nil {
		sets = append(sets, a.Services.Migrations...)
	}
	return sets
}

// Prefix begins the names of the application's environment variables, such as READSIDE.
func (a App) Prefix() string { return variableWord(a.Name) }

// variableWord is a name as it stands in the names of environment variables.
func variableWord(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }

// Variable is the full name of an environment variable, such as READSIDE_POSTGRES_URL.
func (a App) Variable(name string) string { return a.Prefix() + "_" + name }

// API is all that the application's query API serves.
func (a App) API(set *projections.Set) queryapi.Definition {
	d := a.Definition
	d.Set = set
	return d
}
