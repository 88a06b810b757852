package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/readside/readside/internal/demo"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/writemodels/shopapi"
)

func (p *program) demoCommand() *cobra.Command {
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
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if summary != "" && summary != "json" {
				return fmt.Errorf("%w--summary is %q: only json is known", errUsage, summary)
			}
			if duration < 0 {
				return fmt.Errorf("%w--for is %s: it must not be negative", errUsage, duration)
			}
			config, err := p.demoConfig()
			if err != nil {
				return err
			}
			if postgres != "" {
				if config.Stores.PostgresURL != "" {
					return fmt.Errorf("%w--postgres chooses the demo's own Postgres, but READSIDE_POSTGRES_URL names another", errUsage)
				}
				if err := embedded.SetupPostgres(c.Context(), p.err, postgres); err != nil {
					return err
				}
			}
			config.For, config.Seed, config.PostgresVersion = duration, seed, postgres
			done, err := demo.Run(c.Context(), config)
			if err == nil || done.Events > 0 { // else it did not come so far as to have anything to sum up
				if err := p.printSummary(done, summary); err != nil {
					return err
				}
			}
			if err == nil && !done.OK() {
				return errNo
			}
			return err
		},
	}
	c.Flags().DurationVar(&duration, "for", 0, "how long to send commands; until Ctrl-C without it")
	postgresFlag(c, &postgres)
	c.Flags().StringVar(&summary, "summary", "", "`json` ends the output with one JSON object")
	c.Flags().Uint64Var(&seed, "seed", 1, "makes the commands alike from run to run")
	return c
}

func (p *program) demoConfig() (c demo.Config, err error) {
	if c.Stores, err = storeSettings(); err != nil {
		return c, err
	}
	if c.Shop, err = settings[shopapi.Config](); err != nil {
		return c, err
	}
	if c.Query, err = settings[queryapi.Config](); err != nil {
		return c, err
	}
	address, err := settings[shopAddress]()
	if err != nil {
		return c, err
	}
	project, err := settings[projectAddress]()
	if err != nil {
		return c, err
	}
	c.ProjectHealth = p.address(projectVariable, project.ProjectAddr)
	c.ShopHealth = p.address(shopStatusVariable, address.StatusAddr)
	c.ShopAddress = p.address(shopVariable, address.ShopAddr)
	c.QueryAddress = p.address(queryVariable, c.Query.HTTPAddr)
	c.Out, c.Terminal = p.out, isTerminal(p.out)
	c.Logger = p.commandLog()
	if c.Terminal {
		notes := &notes{}
		c.Notes = notes.last
		c.Logger = slog.New(slog.NewTextHandler(notes, logOptions(slog.LevelWarn)))
	}
	return c, nil
}

// printSummary prints the summary as the last line.
func (p *program) printSummary(done demo.Summary, format string) error {
	if format != "json" {
		return nil
	}
	return json.NewEncoder(p.out).Encode(done)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
