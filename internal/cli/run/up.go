package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/dev"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/stack"
	"github.com/readside/readside/queryapi"
)

// Up is the command that runs everything of the application in one process.
func Up(p *cli.Program) *cobra.Command {
	var postgres, env string
	var watch bool
	c := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process: stores, projectors, queries, services",
		Long:  upHelp(p),
		Args:  cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return upDev(c.Context(), p, postgres, env)
			}
			return up(c.Context(), p, postgres, env)
		},
	}
	c.Flags().BoolVar(&watch, "dev", false, "build the program from the source in this folder and run it; again at every change, with the rows that changed")
	c.Flags().StringVar(&env, "env", "", "write the stores' addresses, with passwords, into this `file` as lines for a shell, until the end")
	if p.App.Own != nil {
		PostgresFlag(c, &postgres)
	}
	return c
}

// upHelp says what up does, which depends on whether the program can start stores.
func upHelp(p *cli.Program) string {
	const runs = "Migrates, and runs the projectors, the query service and the application's own services,\n" +
		"if it has any, until Ctrl-C, on the stores that the environment names."
	if p.App.Own == nil {
		return runs
	}
	return runs + fmt.Sprintf(" Where\n%s or %s is not set, it starts a\n"+
		"store of its own, and installs first what that needs. Such a store is empty at first, and\n"+
		"gone at the end.", p.App.Variable("POSTGRES_URL"), p.App.Variable("CLICKHOUSE_URL"))
}

func up(ctx context.Context, p *cli.Program, postgres, env string) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stopWithPipe(p.In, stop)
	config, err := Everything(p, postgres, p.CommandLog())
	if err != nil {
		return err
	}
	config.Say = func(message string) { fmt.Fprintln(p.Out, message) }
	if err := config.Setup(ctx, p.Err); err != nil {
		return err
	}
	if starting := config.Starting(); starting != "" {
		fmt.Fprintf(p.Out, "Starting %s …\n", starting)
	}
	running, err := stack.Start(ctx, config)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, running.Stop()) }()
	for _, a := range running.Addresses() {
		fmt.Fprintf(p.Out, "%-12s%s\n", a[0], a[1])
	}
	forget, err := keepAddresses(p, env, running.Stores(), running.MartURL())
	if err != nil {
		return err
	}
	defer forget()
	fmt.Fprintln(p.Out, "Everything runs until Ctrl-C.")
	select {
	case <-ctx.Done():
		return running.StopServices()
	case <-running.Ended():
		return running.Err()
	}
}

// Everything configures all of the application in one process; postgres is the major
// version of a Postgres of its own, or empty.
func Everything(p *cli.Program, postgres string, logger *slog.Logger) (c stack.Config, err error) {
	c = stack.Config{Migrations: p.App.Migrations(), Own: p.App.Own, PostgresVersion: postgres, Logger: logger}
	if c.Set, err = p.App.Set(); err != nil {
		return c, err
	}
	c.API = p.App.API(c.Set)
	if c.Stores, err = p.Stores(); err != nil {
		return c, err
	}
	if postgres != "" && c.Stores.PostgresURL != "" {
		return c, fmt.Errorf("%w--postgres chooses a Postgres of its own, but %s names another", cli.ErrUsage, p.App.Variable("POSTGRES_URL"))
	}
	if c.Folding, err = cli.Settings[service.Folding](p); err != nil {
		return c, err
	}
	if c.Query, err = cli.Settings[queryapi.Config](p); err != nil {
		return c, err
	}
	c.ProjectHealth, c.QueryAddress = p.Address(cli.ProjectHealth), p.QueryAddress(c.Query.HTTPAddr)
	if of := p.App.Services; of != nil {
		c.Services = &stack.Services{
			Open: func(ctx context.Context, common func(role string) (string, error)) (service.Running, error) {
				return p.OpenServicesAt(ctx, common, logger)
			},
			Commands: p.Address(of.Commands()), Health: p.Address(of.Health()),
		}
	}
	return c, nil
}

// upDev starts the stores and runs the program on them from its source, again at every
// change.
func upDev(ctx context.Context, p *cli.Program, postgres, env string) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stopWithPipe(p.In, stop)
	config, err := Everything(p, postgres, p.CommandLog())
	if err != nil {
		return err
	}
	if err := config.Setup(ctx, p.Err); err != nil {
		return err
	}
	if starting := config.Starting(); starting != "" {
		fmt.Fprintf(p.Out, "Starting %s …\n", starting)
	}
	stores, err := stack.OpenStores(ctx, &config)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, stores.Stop()) }()
	for _, a := range stores.Addresses() {
		fmt.Fprintf(p.Out, "%-12s%s\n", a[0], a[1])
	}
	forget, err := keepAddresses(p, env, stores.Stores, stores.MartURL())
	if err != nil {
		return err
	}
	defer forget()
	environment := os.Environ()
	for _, a := range addresses(p, stores.Stores, stores.ClickHouseMart) {
		environment = append(environment, a.variable+"="+a.value)
	}
	return dev.Run(ctx, dev.Config{
		Package: mainPackage(), Name: p.App.Name, Env: environment, PostgresURL: stores.PostgresURL, Out: p.Out, Err: p.Err,
	})
}

// mainPackage is the import path of this program's main package, empty where it is not known.
func mainPackage() string {
	if built, ok := debug.ReadBuildInfo(); ok {
		return built.Path
	}
	return ""
}
