package service

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// RunServices runs an application's services and serves their commands until ctx ends:
// first the commands under way are answered, then the reactions stop.
func RunServices(ctx context.Context, l net.Listener, services Running, logger *slog.Logger) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return services.Run(running) })
	group.Go(func() error {
		defer stop()
		serving, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(running, cancel)()
		logger.InfoContext(ctx, "commands are taken", "address", "http://"+l.Addr().String()+"/v1/")
		return serveHTTP(serving, l, withMetrics(services))
	})
	return group.Wait()
}

// withMetrics serves the services' metrics beside their commands.
func withMetrics(services Running) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(services.Collector())
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", services.Handler())
	return mux
}
