package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/shop"
)

// projectAddress is where project serves its health.
type projectAddress struct {
	ProjectAddr string `envconfig:"PROJECT_ADDR" default:"127.0.0.1:8082" desc:"where project serves /healthz, /readyz and /metrics"`
}

const projectVariable = "READSIDE_PROJECT_ADDR"

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
			logger := p.serviceLog()
			address, err := settings[projectAddress]()
			if err != nil {
				return err
			}
			l, err := service.Listen(p.address(projectVariable, address.ProjectAddr), func(m string) { logger.Warn(m) })
			if err != nil {
				return err
			}
			watch := service.NewWatch(set, stores)
			// The health is served for as long as one of the projectors works.
			serving, stop := context.WithCancel(c.Context())
			served := make(chan error, 1)
			go func() { served <- watch.Serve(serving, l, stores.Application, postgres, logger) }()
			err = project(c.Context(), stores.Application, postgres, clickHouse, set, folding, logger, watch)
			stop()
			return errors.Join(err, <-served)
		},
	}
}

// project runs both projectors; the end of one does not end the other.
func project(ctx context.Context, application, postgres, clickHouse string, set *projections.Set, folding service.Folding, logger *slog.Logger, watch *service.Watch) error {
	var both errgroup.Group
	end := func(which string, err error) error {
		if err != nil { // at once: the other one may go on for months
			logger.ErrorContext(ctx, "a projector ended; the other one goes on", "projector", which, "error", err)
		}
		return err
	}
	both.Go(func() error {
		return end("hot", service.Hot(ctx, application, postgres, set, folding, logger, watch))
	})
	both.Go(func() error {
		return end("cold", service.Cold(ctx, application, postgres, clickHouse, set, folding, logger, watch))
	})
	return both.Wait()
}
