// Package cli is the command line of an application: what all its commands share. The
// commands that run something are in cli/run, those of operators in cli/operate.
package cli

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
	"golang.org/x/term"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/settings"
)

// Exit codes, a contract with scripts.
const (
	ExitOK    = 0
	ExitNo    = 1 // it failed, or the answer is no
	ExitUsage = 2 // the command line is wrong
)

// Program is one run of an application's command line.
type Program struct {
	App App
	// Lookup reads the environment where it matters whether a variable is set at all.
	Lookup func(name string) (string, bool)

	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Run runs the command of root that args name until it is done or ctx ends, and returns
// the exit code.
func (p *Program) Run(ctx context.Context, root *cobra.Command, args []string) int {
	p.dress(root)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(context.WithValue(ctx, programKey{}, p))
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrNo): // it has said so itself
		return ExitNo
	case errors.Is(err, ErrUsage):
		fmt.Fprintf(p.Err, "%s: %s\nSee `%s --help`.\n", command.CommandPath(), err, command.CommandPath())
		return ExitUsage
	}
	fmt.Fprintf(p.Err, "%s: %s\n", command.CommandPath(), settings.Text(service.Hinted(p.App.Name, err), p.App.Variable("")))
	return ExitNo
}

type programKey struct{}

// From is the program that runs a command with this context.
func From(ctx context.Context) *Program { return ctx.Value(programKey{}).(*Program) }

// dress gives the root command what all command lines have.
func (p *Program) dress(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Args = Usage(cobra.NoArgs)
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w%w", ErrUsage, err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	profiled(root)
}

var (
	// ErrNo ends a command whose answer, already printed, is no.
	ErrNo = errors.New("no")
	// ErrUsage marks a wrong command line.
	ErrUsage = usageError{}
)

type usageError struct{}

func (usageError) Error() string { return "" }

// Usage marks the errors of an argument check.
func Usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return fmt.Errorf("%w%w", ErrUsage, err)
		}
		return nil
	}
}

// Needs wants these arguments, and names those that are not there.
func Needs(names ...string) cobra.PositionalArgs {
	return Usage(func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("say which %s", strings.Join(names[len(args):], " and which "))
		case len(args) > len(names):
			return fmt.Errorf("%q is too much: it takes %s", args[len(names)], strings.Join(names, " and "))
		}
		return nil
	})
}

// Group is a command that only holds others.
func Group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: Usage(cobra.NoArgs)}
	c.RunE = func(c *cobra.Command, _ []string) error {
		return fmt.Errorf("%wsay which: %s", ErrUsage, names(commands))
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

// Settings reads a configuration from the environment, by envconfig.
func Settings[T any](p *Program) (T, error) {
	var c T
	err := p.Read(&c)
	return c, err
}

// Read fills in a configuration from the environment; into is a pointer to a struct.
func (p *Program) Read(into any) error {
	err := service.CheckNames(p.App.Variable(""), p.Lookup)
	if err == nil {
		err = envconfig.Process(p.App.Prefix(), into)
	}
	if err != nil {
		return fmt.Errorf("the environment: %w; `%s help config` explains the variables", err, p.App.Name)
	}
	return nil
}

// Stores reads where the stores are. Which application they belong to is a property of
// the program, and no operator's choice.
func (p *Program) Stores() (service.Stores, error) {
	stores, err := Settings[service.Stores](p)
	stores.Application, stores.Program, stores.Variables = p.App.Application, p.App.Name, p.App.Variable("")
	stores.StartsOwn = p.App.Own != nil
	return stores, err
}

// ServiceLog is the log of a service: JSON lines on standard output.
func (p *Program) ServiceLog() *slog.Logger {
	return slog.New(slog.NewJSONHandler(p.Out, LogOptions(slog.LevelInfo)))
}

// CommandLog is the log of a command whose output is for people or scripts: JSON lines
// on standard error, warnings and worse.
func (p *Program) CommandLog() *slog.Logger {
	return slog.New(slog.NewJSONHandler(p.Err, LogOptions(slog.LevelWarn)))
}

// LogOptions log from a level on, with every time in UTC.
func LogOptions(level slog.Level) *slog.HandlerOptions {
	return &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindTime {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
		return a
	}}
}

// OpenLog opens the log as the role of projectors; the URL is for those who need
// connections of their own. The caller closes the log.
func (p *Program) OpenLog(ctx context.Context, name string) (log *service.OpenLog, url string, err error) {
	stores, err := p.Stores()
	if err != nil {
		return nil, "", err
	}
	if url, err = stores.Projector(); err != nil {
		return nil, "", err
	}
	log, err = service.Open(ctx, stores.Application, url, name, p.CommandLog())
	return log, url, err
}

// TimeFormat prints times, which are all in UTC.
const TimeFormat = "2006-01-02 15:04:05 MST"

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
