package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/cli/run"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/writemodels/shopapi"
)

// Command is the command demo of the shop's program.
func Command() *cobra.Command {
	var duration time.Duration
	var summary, postgres string
	var seed uint64
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show everything at work on this machine: shop, projectors, queries, proof",
		Long: "Starts a Postgres and a ClickHouse of its own (unless READSIDE_POSTGRES_URL and\n" +
			"READSIDE_CLICKHOUSE_URL name others), the shop, the projectors and the query service,\n" +
			"sends commands over HTTP and shows what becomes of them. Ctrl-C ends it, and nothing is\n" +
			"left behind; a second Ctrl-C ends it at once.",
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			p := cli.From(c.Context())
			if summary != "" && summary != "json" {
				return fmt.Errorf("%w--summary is %q: only json is known", cli.ErrUsage, summary)
			}
			if duration < 0 {
				return fmt.Errorf("%w--for is %s: it must not be negative", cli.ErrUsage, duration)
			}
			config, err := configure(p, postgres)
			if err != nil {
				return err
			}
			if err := config.Stack.Setup(c.Context(), p.Err); err != nil {
				return err
			}
			config.For, config.Seed = duration, seed
			done, err := Run(c.Context(), config)
			if err == nil || done.Events > 0 { // else it did not come so far as to have anything to sum up
				if err := printSummary(p, done, summary); err != nil {
					return err
				}
			}
			if err == nil && !done.OK() {
				return cli.ErrNo
			}
			return err
		},
	}
	c.Flags().DurationVar(&duration, "for", 0, "how long to send commands; until Ctrl-C without it")
	run.PostgresFlag(c, &postgres)
	c.Flags().StringVar(&summary, "summary", "", "`json` ends the output with one JSON object")
	c.Flags().Uint64Var(&seed, "seed", 1, "makes the commands alike from run to run")
	return c
}

// configure reads the environment.
func configure(p *cli.Program, postgres string) (c Config, err error) {
	logger := p.CommandLog()
	if c.Out, c.Terminal = p.Out, cli.IsTerminal(p.Out); c.Terminal {
		notes := &notes{}
		c.Notes = notes.last
		logger = slog.New(slog.NewTextHandler(notes, cli.LogOptions(slog.LevelWarn)))
	}
	if c.Stack, err = run.Everything(p, postgres, logger); err != nil {
		return c, err
	}
	shop, err := cli.Settings[shopapi.Config](p)
	if err != nil {
		return c, err
	}
	var running atomic.Pointer[shopapi.Shop]
	c.Stack.Services.Open = func(ctx context.Context, common func(role string) (string, error)) (service.Running, error) {
		opened, err := shopapi.Open(ctx, shop, service.Logins(p.App.Application, common), logger)
		running.Store(opened)
		return opened, err
	}
	c.Accepted = func() map[string]int64 { return running.Load().Accepted() }
	return c, nil
}

// printSummary prints the summary as the last line.
func printSummary(p *cli.Program, done Summary, format string) error {
	if format != "json" {
		return nil
	}
	return json.NewEncoder(p.Out).Encode(done)
}
