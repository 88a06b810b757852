package bench

import (
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/shop"
)

// benchSettings give every contestant a server that is not waiting for checkpoints.
var benchSettings = map[string]string{"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}

// Command is the command bench of the shop's program.
func Command() *cobra.Command {
	cfg := Config{}
	var asJSON bool
	c := &cobra.Command{
		Use:   "bench [NAME…]",
		Short: "Measure the engine beside its rivals, in interleaved rounds on a Postgres of its own",
		Long: "Measures the engine beside its rivals: the same log, tables, indexes and durability, in\n" +
			"interleaved rounds. It starts a Postgres of its own. Names: " + strings.Join(Names, ", ") + "; none means all.\n" +
			"What counts are the ratios within one run; with --json the last line holds them.",
		RunE: func(c *cobra.Command, names []string) error {
			p := cli.From(c.Context())
			cfg.Out = p.Out
			return runBench(p, c, cfg, asJSON, names)
		},
	}
	c.Flags().IntVar(&cfg.Events, "events", 0, "size of the log; 0 means a million")
	c.Flags().IntVar(&cfg.Rounds, "rounds", 0, "interleaved rounds; 0 means 5")
	c.Flags().BoolVar(&asJSON, "json", false, "end with one line of JSON")
	return c
}

func runBench(p *cli.Program, c *cobra.Command, cfg Config, asJSON bool, names []string) error {
	ctx := c.Context()
	server, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Durable: true, Settings: benchSettings})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop() }()
	url := server.URL("postgres", embedded.Superuser)
	if err := service.Migrate(ctx, url, application.Claim{Name: shop.Application}, migrations.Engine); err != nil {
		return err
	}
	if cfg.Pool, err = pgxpool.New(ctx, url); err != nil {
		return err
	}
	defer cfg.Pool.Close()
	facts := &factStores{ctx: ctx, server: server}
	defer facts.close()
	cfg.FactStores = facts.open
	ratios, err := Run(ctx, cfg, names...)
	printRatios(p.Out, ratios)
	if err == nil {
		err = ratios.Fair()
	}
	if asJSON && len(ratios) > 0 {
		fmt.Fprintln(p.Out, ratios.JSON())
	}
	return err
}

func printRatios(out io.Writer, ratios Ratios) {
	for _, name := range ratios.Keys() {
		fmt.Fprintf(out, "%-30s %8.2f\n", name, ratios[name])
	}
}
