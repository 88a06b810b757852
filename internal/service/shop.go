package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/writemodels/shopapi"
)

// shopServices are the five services whose roles the shop connects as.
var shopServices = []string{"identity", "catalog", "basket", "ordering", "payment"}

// ShopConfig lets services without an address of their own act as their roles at the
// common one.
func ShopConfig(c shopapi.Config) (shopapi.Config, error) {
	return ShopLogins(c, func(role string) (string, error) {
		if c.PostgresURL == "" {
			return "", ErrNoPostgres
		}
		return As(c.PostgresURL, role)
	})
}

// ShopLogins gives each service without an address of its own the one that login
// returns for its role.
func ShopLogins(c shopapi.Config, login func(role string) (string, error)) (shopapi.Config, error) {
	own := []*string{&c.IdentityURL, &c.CatalogURL, &c.BasketURL, &c.OrderingURL, &c.PaymentURL}
	for i, url := range own {
		if *url != "" {
			*url = acting(*url, "shop_"+shopServices[i])
			continue
		}
		var err error
		if *url, err = login("shop_" + shopServices[i]); err != nil {
			return c, err
		}
	}
	return c, nil
}

// OwnShop refuses databases of services that belong to another application.
func OwnShop(ctx context.Context, application string, c shopapi.Config) error {
	for _, url := range []string{c.IdentityURL, c.CatalogURL, c.BasketURL, c.OrderingURL, c.PaymentURL} {
		config, err := ConnConfig(application, url, "readside-shop")
		if err != nil {
			return err
		}
		session.Prepare(&config.Config, session.Needs{Durable: true})
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return Hinted(err)
		}
		_ = conn.Close(ctx) // it has been asked all it was for
	}
	return nil
}

// Shop runs the shop's services and serves their commands until ctx ends: first the
// commands under way are answered, then the reactions stop.
func Shop(ctx context.Context, l net.Listener, shop *shopapi.Shop, logger *slog.Logger) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return shop.Run(running) })
	group.Go(func() error {
		defer stop()
		serving, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(running, cancel)()
		logger.InfoContext(ctx, "the shop takes commands", "address", "http://"+l.Addr().String()+"/v1/")
		return serveHTTP(serving, l, shopHandler(shop))
	})
	return group.Wait()
}

func shopHandler(shop *shopapi.Shop) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(shop.Collector())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", shop.Handler())
	return mux
}
