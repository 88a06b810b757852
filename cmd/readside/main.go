// Command readside is the reference shop's program: every command of an application, the
// shop's five services, the demo and the benchmarks.
package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/bench"
	"github.com/readside/readside/internal/demo"
	"github.com/readside/readside/internal/scaffold"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections/shop"
	screens "github.com/readside/readside/queryapi/shop"
	"github.com/readside/readside/stores/embedded"
	"github.com/readside/readside/writemodels/shopapi"
)

func main() { readside.Main(theShop()) }

func theShop() readside.App {
	served := screens.Definition(nil)
	return readside.App{
		Name: "readside", Application: shop.Application, Set: shop.Set, Screens: served.Screens, Reports: served.Reports, Plurals: served.Plurals,
		Services: &readside.Services{
			Command: "shop", Short: "Run the reference shop's five services with their command API",
			Migrations: []migrations.Set{migrations.Shop},
			Settings:   func() any { return &shopapi.Config{} },
			Open: func(ctx context.Context, settings any, login readside.Login, logger *slog.Logger) (readside.Running, error) {
				return shopapi.Open(ctx, *settings.(*shopapi.Config), login, logger)
			},
		},
		Commands: func() []*cobra.Command { return []*cobra.Command{demo.Command(), bench.Command(), scaffold.Command()} },
		Stores:   embedded.Stores(),
	}
}
