package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/kelseyhightower/envconfig"
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections/shop"
)

// Exit codes, a contract with scripts.
const (
	exitOK    = 0
	exitNo    = 1 // it failed, or the answer is no
	exitUsage = 2 // the command line is wrong
)

// program is one run of the binary.
type program struct {
	// lookup reads the environment where it matters whether a variable is set at all.
	lookup func(name string) (string, bool)

	in  io.Reader
	out io.Writer
	err io.Writer
}

// Run runs the command that args name until it is done or ctx ends, and answers the
// exit code.
func (p *program) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p.in, p.out, p.err = stdin, stdout, stderr
	root := p.root()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNo): // it has said so itself
		return exitNo
	case errors.Is(err, errUsage):
		fmt.Fprintf(stderr, "%s: %s\nSee `%s --help`.\n", command.CommandPath(), err, command.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(stderr, "%s: %s\n", command.CommandPath(), err)
	return exitNo
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "readside",
		Short: "Query tables in exact step with the events of many services, behind one GraphQL endpoint",
		Long: "Readside folds the domain events of many services into Postgres views and ClickHouse\n" +
			"tables, and serves both through one GraphQL endpoint.\n\n" +
			"Configuration is by environment: `readside help config` lists every variable.",
		SilenceErrors: true, SilenceUsage: true,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w%w", errUsage, err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		p.demoCommand(), p.storesCommand(), p.setupCommand(), p.migrateCommand(), p.shopCommand(), p.projectCommand(), p.serveCommand(),
		p.statusCommand(), p.rebuildCommand(), p.factsCommand(), p.verifyCommand(), p.parkedCommand(), p.deadLettersCommand(), p.explainCommand(), p.eventsCommand(), p.schemaCommand(), p.benchCommand(), p.configTopic(),
	)
	profiled(root)
	return root
}

var (
	// errNo ends a command whose answer, already printed, is no.
	errNo = errors.New("no")
	// errUsage marks a wrong command line.
	errUsage = usageError{}
)

type usageError struct{}

func (usageError) Error() string { return "" }

// usage marks the errors of an argument check.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return fmt.Errorf("%w%w", errUsage, err)
		}
		return nil
	}
}

// needs wants these arguments, and names those that are not there.
func needs(names ...string) cobra.PositionalArgs {
	return usage(func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("say which %s", strings.Join(names[len(args):], " and which "))
		case len(args) > len(names):
			return fmt.Errorf("%q is too much: it takes %s", args[len(names)], strings.Join(names, " and "))
		}
		return nil
	})
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: usage(cobra.NoArgs)}
	c.RunE = func(c *cobra.Command, _ []string) error {
		return fmt.Errorf("%wsay which: %s", errUsage, names(commands))
	}
	c.AddCommand(commands...)
	return c
}

func names(commands []*cobra.Command) string {
	text := ""
	for i, c := range commands {
		if i > 0 {
			text += ", "
		}
		text += c.Name()
	}
	return text
}

// settings reads a configuration from the environment.
func settings[T any]() (T, error) {
	var c T
	if err := service.CheckNames(os.LookupEnv); err != nil {
		return c, fmt.Errorf("the environment: %w; `readside help config` explains the variables", err)
	}
	if err := envconfig.Process(prefix, &c); err != nil {
		return c, fmt.Errorf("the environment: %w; `readside help config` explains the variables", err)
	}
	return c, nil
}

// storeSettings reads where the stores are. They belong to the shop: which application
// it is a program says, and no operator.
func storeSettings() (service.Stores, error) {
	stores, err := settings[service.Stores]()
	stores.Application = shop.Application
	return stores, err
}

// prefix begins the names of all variables.
const prefix = "readside"

// serviceLog is the log of a service: JSON lines on standard output.
func (p *program) serviceLog() *slog.Logger {
	return slog.New(slog.NewJSONHandler(p.out, logOptions(slog.LevelInfo)))
}

// commandLog is the log of a command whose output is for people or scripts: JSON lines
// on standard error, warnings and worse.
func (p *program) commandLog() *slog.Logger {
	return slog.New(slog.NewJSONHandler(p.err, logOptions(slog.LevelWarn)))
}

// logOptions log from a level on, with every time in UTC.
func logOptions(level slog.Level) *slog.HandlerOptions {
	return &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindTime {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
		return a
	}}
}

// address is a listener's address and whether somebody set it.
func (p *program) address(variable, value string) service.Address {
	_, explicit := p.lookup(variable)
	return service.Address{Variable: variable, HostPort: value, Explicit: explicit}
}
