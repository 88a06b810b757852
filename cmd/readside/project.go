package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/shop"
)

func (p *program) projectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "project",
		Short: "Fold events into the views in Postgres and the facts in ClickHouse",
		Long: "Runs the hot and the cold projector. Where a fault halts one of them, the other goes on;\n" +
			"`readside status` shows the fault, and a new start tries the event again.",
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			stores, err := storeSettings()
			if err != nil {
				return err
			}
			postgres, err := stores.Projector()
			if err != nil {
				return err
			}
			clickHouse, err := stores.ClickHouse()
			if err != nil {
				return err
			}
			set, err := shop.Set()
			if err != nil {
				return err
			}
			folding, err := settings[service.Folding]()
			if err != nil {
				return err
			}
			return project(c.Context(), stores.Application, postgres, clickHouse, set, folding, p.serviceLog())
		},
	}
}

// project runs both projectors; the end of one does not end the other.
func project(ctx context.Context, application, postgres, clickHouse string, set *projections.Set, folding service.Folding, logger *slog.Logger) error {
	var both errgroup.Group
	end := func(which string, err error) error {
		if err != nil { // at once: the other one may go on for months
			logger.ErrorContext(ctx, "a projector ended; the other one goes on", "projector", which, "error", err)
		}
		return err
	}
	both.Go(func() error {
		return end("hot", service.Hot(ctx, application, postgres, set, folding, logger, engine.Observer{}))
	})
	both.Go(func() error {
		return end("cold", service.Cold(ctx, application, postgres, clickHouse, set, folding, logger))
	})
	return both.Wait()
}
