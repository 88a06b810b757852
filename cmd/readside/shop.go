package main

import (
	"context"
	"log/slog"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections/shop"
	screens "github.com/readside/readside/queryapi/shop"
	"github.com/readside/readside/writemodels/shopapi"
)

// theShop is the reference domain.
var theShop = cli.App{
	Name: "readside", Application: shop.Application, Set: shop.Set, Definition: screens.Definition(nil),
	Services: &cli.Services{
		Command: "shop", Short: "Run the reference shop's five services with their command API",
		Migrations: []migrations.Set{migrations.Shop},
		Settings:   func() any { return &shopapi.Config{} },
		Open: func(ctx context.Context, settings any, login service.Login, logger *slog.Logger) (service.Running, error) {
			return openShop(ctx, settings, login, logger)
		},
	},
}

func openShop(ctx context.Context, settings any, login service.Login, logger *slog.Logger) (*shopapi.Shop, error) {
	config, err := settings.(*shopapi.Config).LoggedIn(ctx, login)
	if err != nil {
		return nil, err
	}
	return shopapi.New(ctx, config, logger)
}
