package cli

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/readside/readside/internal/service"
)

// OpenServices connects the application's services. The caller closes them.
func (p *Program) OpenServices(ctx context.Context, logger *slog.Logger) (service.Running, error) {
	stores, err := p.Stores()
	if err != nil {
		return nil, err
	}
	return p.OpenServicesAt(ctx, stores.Acting, logger)
}

// OpenServicesAt connects the application's services: those that have no address of their
// own where common lets their role.
func (p *Program) OpenServicesAt(ctx context.Context, common func(role string) (string, error), logger *slog.Logger) (service.Running, error) {
	of := p.App.Services
	if of == nil {
		return nil, fmt.Errorf("%s has no services of its own", p.App.Name)
	}
	settings := of.Settings()
	if err := p.Read(settings); err != nil {
		return nil, err
	}
	return of.Open(ctx, settings, service.Logins(p.App.Application, common), logger)
}
