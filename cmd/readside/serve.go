package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections/shop"
	"github.com/readside/readside/queryapi"
)

const queryVariable = "READSIDE_HTTP_ADDR"

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve views and reports by GraphQL, with GraphiQL for browsers",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			stores, err := storeSettings()
			if err != nil {
				return err
			}
			config, err := settings[queryapi.Config]()
			if err != nil {
				return err
			}
			set, err := shop.Set()
			if err != nil {
				return err
			}
			logger := p.serviceLog()
			query, err := service.OpenQuery(c.Context(), stores, set, config, p.address(queryVariable, config.HTTPAddr), logger,
				func(message string) { logger.Warn(message) })
			if err != nil {
				return err
			}
			return errors.Join(query.Run(c.Context()), query.Close())
		},
	}
}
