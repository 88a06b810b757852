package readside

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/stores"
)

// App is an application: its views and facts, and what is served of them. Main makes a
// program of it.
type App struct {
	// Name is the program's name: the first word of its commands, and, in capitals, the
	// beginning of its environment variables. Letters, digits and dashes.
	Name string
	// Application is the name that the stores are recorded under; a program of another
	// application is refused there. Defaults to Name.
	Application string
	// Short is one line about the program, and Long is a paragraph, for its help. Default to
	// what they say of every application.
	Short, Long string
	// Set returns the views and facts. It is called once for each command that needs them.
	Set func() (*projections.Set, error)
	// Screens and Reports are what the query API serves beside every view by key and as a
	// list. Plurals name the lists of views whose English plural is irregular.
	Screens []queryapi.Screen
	Reports []queryapi.Report
	Plurals map[string]string
	// Services are the application's own services. Nil where it has none, or where they are
	// programs of their own.
	Services *Services
	// Commands returns further commands, of this program alone. Nil where there are none.
	Commands func() []*cobra.Command
	// Stores starts stores of the program's own for up and stores, such as those of package
	// stores/embedded. Nil leaves these commands to stores that the environment names.
	Stores stores.Own
}

// Services are an application's own services, which append events to the log.
type Services struct {
	// Command is the name of the command that runs them; in capitals, it is in the names of
	// the variables that say where they listen. Short is one line for the help.
	Command, Short string
	// Migrations make the services' tables, each after those that it stands on.
	Migrations []migrations.Set
	// Settings returns a pointer to a new struct, which envconfig fills in from variables
	// that begin with the program's name. Nil where the services have none.
	Settings func() any
	// Open connects the services. It is called again where Postgres is away.
	Open func(ctx context.Context, settings any, login Login, logger *slog.Logger) (Running, error)
}

// Login returns the address at which a service connects to Postgres as its role. Own is the
// address that the service's settings give it; where it is empty, the role connects where
// all services do. A database of another application is an error.
type Login func(ctx context.Context, own, role string) (address string, err error)

// Running are services that are connected.
type Running interface {
	// Handler serves their commands, below /v1/.
	Handler() http.Handler
	// Collector counts what they do.
	Collector() prometheus.Collector
	// Services are what status, readiness and metrics watch; there is at least one.
	Services() []reaction.Service
	// Run lets them react to each other's events until ctx ends.
	Run(ctx context.Context) error
	// Close disconnects. It is called after Run has returned.
	Close()
}

// Exit codes of every command.
const (
	ExitOK    = 0
	ExitNo    = 1 // it failed, or the answer is no
	ExitUsage = 2 // the command line is wrong
)

// Main runs the command that the process was started with, and exits with its code. It is
// all of a program's main function. SIGINT and SIGTERM end the command in good order, a
// second one ends the process at once. Memory that the container or the machine has is the
// limit of the process, less a tenth, unless GOMEMLIMIT or AUTOMEMLIMIT say otherwise.
func Main(app App) {
	if app.Stores != nil {
		app.Stores.RunIfChild()
	}
	time.Local = time.UTC // times that Postgres answers are local ones, and every time is printed in UTC
	limitMemory(app.Name, os.Stderr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on the next one ends the process at once; the keepers of the
	// embedded stores then clean up by themselves.
	context.AfterFunc(ctx, stop)
	code := Run(ctx, app, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Run runs the command that args name, without the program's name, until it is done or ctx
// ends, and returns the exit code. The environment is the process's own. It is Main for
// tests.
func Run(ctx context.Context, app App, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	inner, err := app.inner()
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", app.Name, err)
		return ExitUsage
	}
	p := &cli.Program{App: inner, Lookup: os.LookupEnv, In: stdin, Out: stdout, Err: stderr}
	return p.Run(ctx, commands(app, p), args)
}
