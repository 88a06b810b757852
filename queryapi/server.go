package queryapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/readside/readside/queryapi/graphiql"
)

// Server is the query service over HTTP: /graphql, /healthz, /readyz and /metrics.
type Server struct {
	api      *API
	config   Config
	handler  *Handler
	http     *http.Server
	listener net.Listener
	logger   *slog.Logger
}

// How long a client may take, and how much it may send before its body.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	idleTimeout       = 2 * time.Minute
	headerBytesMax    = 16 << 10
)

// Listen opens the address, so that its port is known before Run. The metrics
// gathered are those of gatherer.
func Listen(a *API, c Config, gatherer prometheus.Gatherer) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("queryapi: %w", err)
	}
	listener, err := net.Listen("tcp", c.HTTPAddr)
	if err != nil {
		return nil, fmt.Errorf("queryapi: listen on %s: %w; choose another address", c.HTTPAddr, err)
	}
	s := &Server{api: a, config: c, handler: NewHandler(a, c), listener: listener, logger: a.logger}
	s.http = &http.Server{
		Handler:           s.localOnly(s.routes(gatherer)),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		WriteTimeout: c.RequestTimeout + readTimeout, MaxHeaderBytes: headerBytesMax,
		ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

func (s *Server) routes(gatherer prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", s.handler)
	mux.Handle("/graphiql/", http.StripPrefix("/graphiql/", graphiql.Assets()))
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics(gatherer))
	mux.Handle("GET /{$}", http.RedirectHandler("/graphql", http.StatusTemporaryRedirect))
	return mux
}

// scrapesMax bounds scrapes at the same time; more get 503.
const scrapesMax = 4

// metrics reads the views' lag when it is asked, so that a quiet API shows it too, and what
// readiness says. One scrape goes on at a time: what it reads and what it shows are one.
func (s *Server) metrics(gatherer prometheus.Gatherer) http.Handler {
	serve := promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesMax})
	waiting, one := make(chan struct{}, scrapesMax), make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case waiting <- struct{}{}:
			defer func() { <-waiting }()
		default:
			http.Error(w, "there are too many scrapes at the same time: ask again", http.StatusServiceUnavailable)
			return
		}
		one <- struct{}{}
		defer func() { <-one }()
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		s.api.metrics.found(s.api.troublesSoon(ctx))
		if _, err := s.api.Freshness(ctx); err != nil {
			s.logger.Warn("the views' lag could not be read for the metrics", "error", err)
		}
		serve.ServeHTTP(w, r)
	})
}

// URL is the address of the GraphQL endpoint.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/graphql" }

// Run serves until ctx ends, then lets running requests finish.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	s.logger.Info("the query API listens", "url", s.URL())
	select {
	case err := <-served:
		return fmt.Errorf("queryapi: serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
	defer cancel()
	err := s.http.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("queryapi: requests still ran after %v", s.config.DrainTimeout), s.http.Close())
	}
	if serving := <-served; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}

// Close ends a server at once, also one that never ran.
func (s *Server) Close() error {
	err := s.http.Close()
	if closing := s.listener.Close(); closing != nil && !errors.Is(closing, net.ErrClosed) {
		err = errors.Join(err, closing)
	}
	return err
}
