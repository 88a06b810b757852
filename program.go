package readside

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/cli/operate"
	"github.com/readside/readside/internal/cli/run"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/queryapi"
)

// programName is what a program may be called: its name becomes the beginning of
// environment variables.
var programName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// inner is the application as its command line needs it. All faults of its description are
// told at once.
func (a App) inner() (cli.App, error) {
	var faults []error
	if !programName.MatchString(a.Name) {
		faults = append(faults, fmt.Errorf("App.Name is %q: use small letters, digits and dashes, a letter first", a.Name))
	}
	if a.Set == nil {
		faults = append(faults, errors.New("App.Set is nil: give the function that returns the views and facts"))
	}
	if s := a.Services; s != nil && (!programName.MatchString(s.Command) || s.Open == nil) {
		faults = append(faults, fmt.Errorf("App.Services has the command %q and needs a function Open: a command has small letters, digits and dashes", s.Command))
	}
	return cli.App{
		Name: a.Name, Application: cmp.Or(a.Application, a.Name), Set: a.Set, Own: a.Stores, Services: a.Services.inner(),
		Definition: queryapi.Definition{Screens: a.Screens, Reports: a.Reports, Plurals: a.Plurals},
	}, errors.Join(faults...)
}

func (s *Services) inner() *cli.Services {
	if s == nil {
		return nil
	}
	settings := s.Settings
	if settings == nil {
		settings = func() any { return &struct{}{} }
	}
	return &cli.Services{
		Command: s.Command, Short: cmp.Or(s.Short, "Run the application's own services"), Migrations: s.Migrations, Settings: settings,
		Open: func(ctx context.Context, settings any, login service.Login, logger *slog.Logger) (service.Running, error) {
			return s.Open(ctx, settings, Login(login), logger)
		},
	}
}

// commands is the command line of an application.
func commands(a App, p *cli.Program) *cobra.Command {
	root := &cobra.Command{
		Use:   a.Name,
		Short: cmp.Or(a.Short, "Query tables in exact step with the events of many services, behind one GraphQL endpoint"),
		Long: cmp.Or(a.Long, "Folds the domain events of many services into Postgres views and ClickHouse tables, and\n"+
			"serves both through one GraphQL endpoint.") +
			"\n\nConfiguration is by environment: `" + a.Name + " help config` lists every variable.",
	}
	root.AddCommand(run.Up(p), run.Migrate(p), run.Project(p), run.Serve(p), run.Events(p), run.Schema(p), run.ConfigTopic(p),
		operate.Status(p), operate.Rebuild(p), operate.Facts(p), operate.Verify(p), operate.Parked(p), operate.Explain(p))
	if a.Stores != nil {
		root.AddCommand(run.Stores(p), run.Setup(p))
	}
	if a.Services != nil {
		root.AddCommand(run.Services(p), operate.DeadLetters(p))
	}
	if a.Commands != nil {
		root.AddCommand(a.Commands()...)
	}
	return root
}

// limitMemory makes what the container may use, or else the machine has, the limit of
// this process, less a tenth: builds take a part of it, and the garbage collector works
// harder near it. GOMEMLIMIT says otherwise, and so does AUTOMEMLIMIT=off. Where nothing
// can be found out there is no limit, and warn says why.
func limitMemory(program string, warn io.Writer) {
	if _, err := memlimit.Set(memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem))); err != nil {
		fmt.Fprintf(warn, "%s: no memory limit: %v: set GOMEMLIMIT, or AUTOMEMLIMIT to a part of what there is, as 0.5, or to off\n", program, err)
	}
}
