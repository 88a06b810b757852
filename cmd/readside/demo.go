package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	commands "github.com/readside/readside/internal/cli/run"
	"github.com/readside/readside/internal/demo"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/writemodels/shopapi"
)

func demoCommand(p *cli.Program) *cobra.Command {
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
			if summary != "" && summary != "json" {
				return fmt.Errorf("%w--summary is %q: only json is known", cli.ErrUsage, summary)
			}
			if duration < 0 {
				return fmt.Errorf("%w--for is %s: it must not be negative", cli.ErrUsage, duration)
			}
			config, err := demoConfig(p)
			if err != nil {
				return err
			}
			if postgres != "" {
				if config.Stores.PostgresURL != "" {
					return fmt.Errorf("%w--postgres chooses the demo's own Postgres, but READSIDE_POSTGRES_URL names another", cli.ErrUsage)
				}
				if err := embedded.SetupPostgres(c.Context(), p.Err, postgres); err != nil {
					return err
				}
			}
			config.For, config.Seed, config.PostgresVersion = duration, seed, postgres
			done, err := demo.Run(c.Context(), config)
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
	commands.PostgresFlag(c, &postgres)
	c.Flags().StringVar(&summary, "summary", "", "`json` ends the output with one JSON object")
	c.Flags().Uint64Var(&seed, "seed", 1, "makes the commands alike from run to run")
	return c
}

func demoConfig(p *cli.Program) (c demo.Config, err error) {
	if c.Stores, err = p.Stores(); err != nil {
		return c, err
	}
	if c.Query, err = cli.Settings[queryapi.Config](p); err != nil {
		return c, err
	}
	shop, err := cli.Settings[shopapi.Config](p)
	if err != nil {
		return c, err
	}
	c.Open = func(ctx context.Context, common func(role string) (string, error)) (*shopapi.Shop, error) {
		return openShop(ctx, &shop, service.Logins(p.App.Application, common), c.Logger)
	}
	c.ProjectHealth, c.QueryAddress = p.Address(cli.ProjectHealth), p.QueryAddress(c.Query.HTTPAddr)
	c.ShopAddress, c.ShopHealth = p.Address(p.App.Services.Commands()), p.Address(p.App.Services.Health())
	c.Out, c.Terminal = p.Out, cli.IsTerminal(p.Out)
	c.Logger = p.CommandLog()
	if c.Terminal {
		notes := &notes{}
		c.Notes = notes.last
		c.Logger = slog.New(slog.NewTextHandler(notes, cli.LogOptions(slog.LevelWarn)))
	}
	return c, nil
}

// printSummary prints the summary as the last line.
func printSummary(p *cli.Program, done demo.Summary, format string) error {
	if format != "json" {
		return nil
	}
	return json.NewEncoder(p.Out).Encode(done)
}
