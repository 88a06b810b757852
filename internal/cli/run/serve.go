package run

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/queryapi"
)

// Serve is the command of that name.
func Serve(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve views and reports by GraphQL, with GraphiQL for browsers",
		Args:  cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			stores, err := p.Stores()
			if err != nil {
				return err
			}
			config, err := cli.Settings[queryapi.Config](p)
			if err != nil {
				return err
			}
			set, err := p.App.Set()
			if err != nil {
				return err
			}
			logger := p.ServiceLog()
			query, err := service.OpenQuery(c.Context(), stores, p.App.API(set), config, p.QueryAddress(config.HTTPAddr), logger,
				func(message string) { logger.Warn(message) })
			if err != nil {
				return err
			}
			return errors.Join(query.Run(c.Context()), query.Close())
		},
	}
}
