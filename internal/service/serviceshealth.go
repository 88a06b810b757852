package service

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/internal/health"
	"github.com/readside/readside/internal/status"
)

// ServicesWatch sees how an application's services and their reactions do, and serves their health.
type ServicesWatch struct {
	registry *prometheus.Registry
	pools    *health.Pools
	starting starting
	services atomic.Pointer[Running]
}

// NewServicesWatch makes a ServicesWatch.
func NewServicesWatch() *ServicesWatch {
	w := &ServicesWatch{registry: health.NewRegistry(), pools: health.NewPools()}
	w.registry.MustRegister(w.pools)
	return w
}

// Open opens the services as soon as Postgres is there, and watches them.
func (w *ServicesWatch) Open(ctx context.Context, open func(context.Context) (Running, error), logger *slog.Logger) (Running, error) {
	services, err := awaitPostgres(ctx, &w.starting, logger, open)
	if err != nil {
		return nil, err
	}
	for _, s := range services.Services() {
		w.pools.Add(s.Role, s.Pool)
	}
	w.registry.MustRegister(services.Collector())
	w.services.Store(&services)
	return services, nil
}

// Serve serves the health until ctx ends.
func (w *ServicesWatch) Serve(ctx context.Context, l net.Listener, logger *slog.Logger) error {
	monitor := health.NewMonitor(status.Scope{Reactions: true}, w.look)
	w.registry.MustRegister(health.NewCollector(monitor))
	logger.InfoContext(ctx, "health is served", "health", "http://"+l.Addr().String()+"/readyz")
	return serveHTTP(ctx, l, health.Handler(monitor, w.registry))
}

// serviceWait bounds how long a service's pool may take to give a connection that answers.
const serviceWait = 3 * time.Second

// look asks Postgres as each service's role, and reads how each reaction does with the
// service's own rights.
func (w *ServicesWatch) look(ctx context.Context) (*status.Report, error) {
	services := w.services.Load()
	if services == nil {
		return nil, w.starting.reason()
	}
	ctx, cancel := context.WithTimeout(ctx, serviceWait)
	defer cancel()
	members := (*services).Services()
	report := &status.Report{}
	if err := readLog(ctx, members[0], report); err != nil {
		return report, err
	}
	stores, reactions := make([]status.Store, len(members)), make([][]status.Reaction, len(members))
	var asking sync.WaitGroup
	for i, s := range members {
		asking.Go(func() { stores[i], reactions[i] = lookAt(ctx, s, report) })
	}
	asking.Wait()
	for i := range members {
		report.Stores = append(report.Stores, stores[i])
		report.Reactions = append(report.Reactions, reactions[i]...)
	}
	return report, nil
}

// readLog reads where the log ends, when that is by the server's clock, and what holds it
// back.
func readLog(ctx context.Context, s reaction.Service, report *status.Report) error {
	if err := s.Pool.QueryRow(ctx, `select now()`).Scan(&report.At); err != nil {
		return err
	}
	report.At = report.At.UTC()
	head, err := s.Log.Head(ctx)
	if err != nil {
		return err
	}
	report.Log.Position = head
	return report.Log.ReadBlocker(ctx, s.Log)
}

// lookAt asks Postgres as one service's role. A service without reactions only asks.
func lookAt(ctx context.Context, s reaction.Service, report *status.Report) (status.Store, []status.Reaction) {
	if s.Reactor == nil {
		return asRole(s.Role, s.Pool.Ping(ctx)), nil
	}
	found, err := s.Reactor.Status(ctx, s.Pool)
	if err != nil {
		return asRole(s.Role, err), nil
	}
	var all []status.Reaction
	for _, r := range found {
		all = append(all, status.Reacting(r, report.Log.Position, report.At, report.HeldBack()))
	}
	return asRole(s.Role, nil), all
}

func asRole(role string, err error) status.Store {
	store := status.Postgres(err)
	if err != nil {
		store.Error = fmt.Sprintf("as role %s: %s", role, store.Error)
	}
	return store
}
