package run

import (
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/stack"
)

// Setup is the command of that name.
func Setup(p *cli.Program) *cobra.Command {
	var postgres string
	c := &cobra.Command{
		Use:   "setup",
		Short: "Install what the embedded stores need: Postgres and the ClickHouse library",
		Long: "Installs Postgres (from Debian's packages for root, else through npm) and the ClickHouse\n" +
			"library (through npm), where they are missing. A store that the environment\n" +
			"names is the user's own: nothing is installed for it.",
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			stores, err := p.Stores()
			if err != nil {
				return err
			}
			if postgres != "" { // that version is wanted, whatever else there is
				stores.PostgresURL = ""
			}
			set, err := p.App.Set()
			if err != nil {
				return err
			}
			config := stack.Config{Set: set, API: p.App.API(set), Stores: stores, Own: p.App.Own, PostgresVersion: postgres}
			return config.Setup(c.Context(), p.Err)
		},
	}
	PostgresFlag(c, &postgres)
	return c
}
