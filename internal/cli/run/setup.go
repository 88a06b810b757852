package run

import (
	"github.com/readside/readside/internal/cli"
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/embedded"
)

// Setup is the command of that name.
func Setup(p *cli.Program) *cobra.Command {
	var postgres string
	c := &cobra.Command{
		Use:   "setup",
		Short: "Install what the embedded stores need: Postgres and the ClickHouse library",
		Long: "Installs Postgres (from Debian's packages for root, else through npm) and the ClickHouse\n" +
			"library (through npm), where they are missing. A store that READSIDE_POSTGRES_URL or\n" +
			"READSIDE_CLICKHOUSE_URL names is the user's own: nothing is installed for it.",
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return embedded.Setup(c.Context(), p.Err, postgres) },
	}
	PostgresFlag(c, &postgres)
	return c
}
