package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
)

// Stores is the command of that name.
func Stores(p *cli.Program) *cobra.Command {
	var postgres string
	c := &cobra.Command{
		Use:   "stores",
		Short: "Run a Postgres and a ClickHouse alone, for any program to be tried on",
		Long: "Starts an empty Postgres and an empty ClickHouse on the loopback and prints their\n" +
			"addresses, with passwords, as lines for a shell. Standard output has these lines and\n" +
			"nothing else:\n\n" +
			"  (umask 077; " + p.App.Name + " stores > stores.env) &\n" +
			"  . ./stores.env          when it has its three lines\n" +
			"  " + p.App.Name + " migrate up\n\n" +
			"The stores run until Ctrl-C or SIGTERM, or until standard input ends if that is a\n" +
			"pipe. Then they are stopped and removed.",
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return runStores(p, c.Context(), postgres) },
	}
	PostgresFlag(c, &postgres)
	return c
}

// PostgresFlag lets a command choose the version of the embedded Postgres.
func PostgresFlag(c *cobra.Command, version *string) {
	c.Flags().StringVar(version, "postgres", "", "the major `version` of the Postgres to run, such as 17; it is fetched where it is missing")
}

// runStores runs both stores until ctx or standard input ends.
func runStores(p *cli.Program, ctx context.Context, version string) (err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	stopWithPipe(p.In, stop)
	own := p.App.Own
	if err := errors.Join(own.SetupPostgres(ctx, p.Err, version), own.SetupClickHouse(ctx, p.Err)); err != nil {
		return err
	}
	fmt.Fprintln(p.Err, "Starting Postgres and ClickHouse …")
	postgres, err := own.StartPostgres(ctx, version)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, postgres.Stop()) }()
	clickHouse, err := own.StartClickHouse(ctx)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, clickHouse.Stop()) }()
	// At once, so that a reader sees all lines or none.
	stores := service.Stores{PostgresURL: postgres.URL(), ClickHouseURL: clickHouse.URL()}
	if _, err = io.WriteString(p.Out, exports(addresses(p, stores, clickHouse.MartURL()))); err != nil {
		return fmt.Errorf("print the addresses: %w", err)
	}
	fmt.Fprintln(p.Err, "Postgres and ClickHouse run until Ctrl-C.")
	<-ctx.Done()
	return nil
}

// unlessStopped returns nil for a start that was ended on request.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// stopWithPipe calls stop when standard input ends, if it is a pipe: its writer is the
// program that started us, and has ended. A terminal and /dev/null mean nothing.
func stopWithPipe(in io.Reader, stop func()) {
	file, ok := in.(*os.File)
	if !ok {
		return
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, file)
		stop()
	}()
}
