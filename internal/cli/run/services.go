package run

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
)

// Services is the command that runs the application's own services, by the name that it
// gives them.
func Services(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:   p.App.Services.Command,
		Short: p.App.Services.Short,
		Args:  cli.Usage(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return runServices(c.Context(), p, p.ServiceLog()) },
	}
}

// runServices serves the services' health from the beginning, and their commands once
// Postgres is there.
func runServices(ctx context.Context, p *cli.Program, logger *slog.Logger) error {
	health, err := service.Listen(p.Address(p.App.Services.Health()), func(m string) { logger.Warn(m) })
	if err != nil {
		return err
	}
	watch := service.NewServicesWatch()
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- watch.Serve(serving, health, logger) }()
	err = serveCommands(ctx, p, watch, logger)
	stop()
	return errors.Join(err, <-served)
}

func serveCommands(ctx context.Context, p *cli.Program, watch *service.ServicesWatch, logger *slog.Logger) error {
	services, err := watch.Open(ctx, func(ctx context.Context) (service.Running, error) { return p.OpenServices(ctx, logger) }, logger)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer services.Close()
	l, err := service.Listen(p.Address(p.App.Services.Commands()), func(m string) { logger.Warn(m) })
	if err != nil {
		return err
	}
	return service.RunServices(ctx, l, services, logger)
}
