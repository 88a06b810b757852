// Command readside is the one binary: every service, every operator's command, and the
// demo. Each command stands in a file of its own and only wires.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/cli/operate"
	commands "github.com/readside/readside/internal/cli/run"
	"github.com/readside/readside/internal/embedded"
)

func main() {
	embedded.RunIfChild()
	time.Local = time.UTC // times that Postgres answers are local ones, and every time is printed in UTC
	limitMemory(os.Stderr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on the next one ends the process at once; the keepers of the
	// embedded stores then clean up by themselves.
	context.AfterFunc(ctx, stop)
	code := runProgram(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// runProgram runs one command of the program, and returns its exit code.
func runProgram(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &cli.Program{App: theShop, Lookup: os.LookupEnv, In: stdin, Out: stdout, Err: stderr}
	return p.Run(ctx, root(p), args)
}

func root(p *cli.Program) *cobra.Command {
	c := &cobra.Command{
		Use:   p.App.Name,
		Short: "Query tables in exact step with the events of many services, behind one GraphQL endpoint",
		Long: "Readside folds the domain events of many services into Postgres views and ClickHouse\n" +
			"tables, and serves both through one GraphQL endpoint.\n\n" +
			"Configuration is by environment: `readside help config` lists every variable.",
	}
	c.AddCommand(
		demoCommand(p), commands.Stores(p), commands.Setup(p), commands.Migrate(p), commands.Services(p), commands.Project(p), commands.Serve(p),
		operate.Status(p), operate.Rebuild(p), operate.Facts(p), operate.Verify(p), operate.Parked(p), operate.DeadLetters(p), operate.Explain(p),
		commands.Events(p), commands.Schema(p), benchCommand(p), commands.ConfigTopic(p),
	)
	return c
}

// limitMemory makes what the container may use, or else the machine has, the limit of
// this process, less a tenth: builds take a part of it, and the garbage collector works
// harder near it. GOMEMLIMIT says otherwise, and so does AUTOMEMLIMIT=off. Where nothing
// can be found out there is no limit, and warn says why.
func limitMemory(warn io.Writer) {
	if _, err := memlimit.Set(memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem))); err != nil {
		fmt.Fprintf(warn, "readside: no memory limit: %v: set GOMEMLIMIT, or AUTOMEMLIMIT to a part of what there is, as 0.5, or to off\n", err)
	}
}
