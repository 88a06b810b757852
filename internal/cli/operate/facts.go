package operate

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections"
)

// Facts is the command of that name.
func Facts(p *cli.Program) *cobra.Command {
	c := &cobra.Command{
		Use:   "facts",
		Short: "After a restore from a dump: let this copy of the log take ClickHouse over",
		Args:  cli.Usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "take-over",
		Short: "Confirm that ClickHouse follows this copy of the log from now on",
		Long: "A log that was restored from a dump, or into another cluster, may be a copy beside the\n" +
			"original: its facts wait, and ClickHouse stays the original's. When the original is gone\n" +
			"for good, this command says so. The running projector then takes out of ClickHouse what\n" +
			"the restored log does not have, and goes on. An original that still runs writes no facts\n" +
			"any more.",
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return orderFacts(p, c, service.TakeFacts, "ClickHouse follows this copy of the log from now on: the running projector takes out what the log does not have, and goes on")
		},
	})
	return c
}

// orderFacts gives the facts an order, and says what follows from it.
func orderFacts(p *cli.Program, c *cobra.Command, order func(context.Context, service.Stores, *projections.Set, *slog.Logger) error, says string) error {
	stores, err := p.Stores()
	if err != nil {
		return err
	}
	set, err := p.App.Set()
	if err != nil {
		return err
	}
	if len(set.Facts()) == 0 {
		return fmt.Errorf("%s has no facts", p.App.Name)
	}
	if err := order(c.Context(), stores, set, p.CommandLog()); err != nil {
		return err
	}
	fmt.Fprintln(p.Out, says)
	return nil
}
