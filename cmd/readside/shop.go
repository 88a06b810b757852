package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	domain "github.com/readside/readside/projections/shop"
	"github.com/readside/readside/writemodels/shopapi"
)

// shopAddress is where the shop listens.
type shopAddress struct {
	ShopAddr string `envconfig:"SHOP_ADDR" default:"127.0.0.1:8081" desc:"where shop listens for commands"`
	// StatusAddr is where it serves its health.
	StatusAddr string `envconfig:"SHOP_STATUS_ADDR" default:"127.0.0.1:8083" desc:"where shop serves /healthz, /readyz and /metrics"`
}

const (
	shopVariable       = "READSIDE_SHOP_ADDR"
	shopStatusVariable = "READSIDE_SHOP_STATUS_ADDR"
)

func (p *program) shopCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "shop",
		Short: "Run the reference shop's five services with their command API",
		Args:  usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			address, err := settings[shopAddress]()
			if err != nil {
				return err
			}
			config, err := settings[shopapi.Config]()
			if err != nil {
				return err
			}
			if config, err = service.ShopConfig(config); err != nil {
				return err
			}
			return p.runShop(c.Context(), config, address, p.serviceLog())
		},
	}
}

// runShop serves the shop's health from the beginning, and its commands once Postgres is
// there.
func (p *program) runShop(ctx context.Context, config shopapi.Config, address shopAddress, logger *slog.Logger) error {
	warn := func(m string) { logger.Warn(m) }
	health, err := service.Listen(p.address(shopStatusVariable, address.StatusAddr), warn)
	if err != nil {
		return err
	}
	watch := service.NewShopWatch()
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- watch.Serve(serving, health, logger) }()
	err = p.serveShop(ctx, watch, config, address, logger)
	stop()
	return errors.Join(err, <-served)
}

func (p *program) serveShop(ctx context.Context, watch *service.ShopWatch, config shopapi.Config, address shopAddress, logger *slog.Logger) error {
	shop, err := watch.Open(ctx, domain.Application, config, logger)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer shop.Close()
	l, err := service.Listen(p.address(shopVariable, address.ShopAddr), func(m string) { logger.Warn(m) })
	if err != nil {
		return err
	}
	return service.Shop(ctx, l, shop, logger)
}
