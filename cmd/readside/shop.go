package main

import (
	"github.com/spf13/cobra"

	"github.com/readside/readside/internal/service"
	domain "github.com/readside/readside/projections/shop"
	"github.com/readside/readside/writemodels/shopapi"
)

// shopAddress is where the shop listens.
type shopAddress struct {
	ShopAddr string `envconfig:"SHOP_ADDR" default:"127.0.0.1:8081" desc:"where shop listens for commands"`
}

const shopVariable = "READSIDE_SHOP_ADDR"

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
			if err := service.OwnShop(c.Context(), domain.Application, config); err != nil {
				return err
			}
			logger := p.serviceLog()
			shop, err := shopapi.New(c.Context(), config, logger)
			if err != nil {
				return service.Hinted(err)
			}
			defer shop.Close()
			l, err := service.Listen(p.address(shopVariable, address.ShopAddr), func(m string) { logger.Warn(m) })
			if err != nil {
				return err
			}
			return service.Shop(c.Context(), l, shop, logger)
		},
	}
}
