package run

import (
	"context"
	"errors"
	"fmt"
	"github.com/readside/readside/internal/cli"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/ownstores"
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
			"  (umask 077; readside stores > stores.env) &\n" +
			"  . ./stores.env          when it has its three lines\n" +
			"  readside migrate up\n\n" +
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
	if err := embedded.SetupStores(ctx, p.Err, version); err != nil {
		return err
	}
	fmt.Fprintln(p.Err, "Starting Postgres and ClickHouse …")
	postgres, err := ownstores.StartPostgres(ctx, version)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, postgres.Stop()) }()
	clickHouse, err := ownstores.StartClickHouse(ctx)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer func() { err = errors.Join(err, clickHouse.Stop()) }()
	// At once, so that a reader sees all lines or none.
	_, err = fmt.Fprintf(p.Out, "export READSIDE_POSTGRES_URL='%s'\nexport READSIDE_CLICKHOUSE_URL='%s'\nexport READSIDE_MART_URL='%s'\n",
		postgres.URL(), clickHouse.URL(), clickHouse.MartURL())
	if err != nil {
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
