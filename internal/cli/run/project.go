package run

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections"
)

// Project is the command of that name.
func Project(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:   "project",
		Short: "Fold events into the views in Postgres and the facts in ClickHouse",
		Long: "Runs the hot and the cold projector. Where a fault halts one of them, the other goes on;\n" +
			"`" + p.App.Name + " status` shows the fault, and a new start tries the event again.",
		Args: cli.Usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			stores, err := p.Stores()
			if err != nil {
				return err
			}
			postgres, err := stores.Projector()
			if err != nil {
				return err
			}
			set, err := p.App.Set()
			if err != nil {
				return err
			}
			clickHouse := "" // no facts need none
			if len(set.Facts()) > 0 {
				if clickHouse, err = stores.ClickHouse(); err != nil {
					return err
				}
			}
			folding, err := cli.Settings[service.Folding](p)
			if err != nil {
				return err
			}
			logger := p.ServiceLog()
			l, err := service.Listen(p.Address(cli.ProjectHealth), func(m string) { logger.Warn(m) })
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
	if len(set.Facts()) == 0 {
		return both.Wait()
	}
	both.Go(func() error {
		return end("cold", service.Cold(ctx, application, postgres, clickHouse, set, folding, logger, watch))
	})
	return both.Wait()
}
