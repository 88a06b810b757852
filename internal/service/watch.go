package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/readside/readside/internal/health"
	"github.com/readside/readside/internal/status"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
)

// Watch sees what a program's projectors do, and serves their health. A nil *Watch sees
// nothing.
type Watch struct {
	scope     status.Scope
	registry  *prometheus.Registry
	pools     *health.Pools
	hot, cold *health.Work
	starting  starting
	log       atomic.Pointer[OpenLog]
	probes    []status.Probe
	// trouble is what interrupted the hot projector last, nil once it has written again.
	trouble atomic.Pointer[error]
}

// NewWatch makes a Watch over the projectors of a set.
func NewWatch(set *projections.Set, stores Stores) *Watch {
	scope := status.Scope{Hot: engine.ProjectorName(HotName, set)}
	if len(set.Facts()) > 0 {
		scope.Cold = ColdName
	}
	w := &Watch{
		scope:    scope,
		registry: health.NewRegistry(), pools: health.NewPools(), probes: StatusProbes(stores),
	}
	w.hot, w.cold = health.NewWork(w.registry, "hot", "events"), health.NewWork(w.registry, "cold", "rows")
	w.registry.MustRegister(w.pools)
	return w
}

// StatusProbes ask the stores beside Postgres whether they are there.
func StatusProbes(stores Stores) []status.Probe {
	address, err := stores.ClickHouse()
	if err != nil {
		return nil // none is named
	}
	conn, err := ClickHouse(address) // it dials when it is asked
	if err != nil {
		return []status.Probe{func(context.Context) status.Store { return status.ClickHouse(err) }}
	}
	return []status.Probe{ClickHouseProbe(conn)}
}

// ClickHouseProbe asks whether ClickHouse is there.
func ClickHouseProbe(conn driver.Conn) status.Probe {
	return func(ctx context.Context) status.Store { return status.ClickHouse(conn.Ping(ctx)) }
}

// Serve serves the health until ctx ends. It waits for Postgres as long as it takes, and
// returns an error that does not pass.
func (w *Watch) Serve(ctx context.Context, l net.Listener, application, postgresURL string, logger *slog.Logger) error {
	monitor := health.NewMonitor(w.scope, w.look)
	w.registry.MustRegister(health.NewCollector(monitor))
	opening, stop := context.WithCancel(ctx)
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		log, err := awaitPostgres(opening, &w.starting, slog.New(slog.DiscardHandler), func(ctx context.Context) (*OpenLog, error) {
			return Open(ctx, application, postgresURL, "readside-health", logger)
		})
		if err == nil { // else the projectors end with it, and say so
			w.log.Store(log)
			w.pools.Add("health", log.Pool)
		}
	}()
	defer func() {
		stop()
		<-opened
		if log := w.log.Load(); log != nil {
			w.pools.Remove("health")
			log.Close()
		}
	}()
	logger.InfoContext(ctx, "health is served", "health", "http://"+l.Addr().String()+"/readyz")
	return serveHTTP(ctx, l, health.Handler(monitor, w.registry))
}

// look is the status of everything, and what interrupts this program's hot projector: a
// server without room cannot keep that itself.
func (w *Watch) look(ctx context.Context) (*status.Report, error) {
	log := w.log.Load()
	if log == nil {
		stores := status.Ask(ctx, w.probes)
		return &status.Report{Stores: stores}, w.starting.reason()
	}
	report, err := status.Read(ctx, log.Pool, log.Log, w.probes...)
	if err != nil {
		return report, err
	}
	if trouble := w.trouble.Load(); trouble != nil && !hotIsWell(report, w.scope.Hot) {
		report.Stores = append(report.Stores, status.Postgres(*trouble))
	}
	return report, nil
}

func hotIsWell(r *status.Report, name string) bool {
	for _, p := range r.Projectors {
		if p.Kind == string(control.Hot) && p.Name == name {
			return p.Reason == ""
		}
	}
	return false
}

// begin is where the projectors say what they wait for.
func (w *Watch) begin() *starting {
	if w == nil {
		return &starting{}
	}
	return &w.starting
}

// pool shows a pool until the function that it returns is called.
func (w *Watch) pool(name string, log *OpenLog) (remove func()) {
	if w == nil {
		return func() {}
	}
	w.pools.Add(name, log.Pool)
	return func() { w.pools.Remove(name) }
}

// hotObserver counts what the hot projector does.
func (w *Watch) hotObserver() engine.Observer {
	if w == nil {
		return engine.Observer{}
	}
	return engine.Observer{
		Folded: func(f engine.Folded) {
			w.trouble.Store(nil)
			w.hot.Batch(int64(f.Events), f.Took)
		},
		Parked: func(*projections.FoldError) { w.hot.Parked() },
		Interrupted: func(err error) {
			w.hot.Interrupted()
			if !errors.Is(err, context.Canceled) {
				w.trouble.Store(&err)
			}
		},
	}
}

// coldObserver counts what the cold projector does.
func (w *Watch) coldObserver() cold.Observer {
	if w == nil {
		return cold.Observer{}
	}
	return cold.Observer{
		Written:     func(b cold.Written) { w.cold.Batch(int64(b.Rows), b.Took) },
		Recovered:   func(string, cold.Recovery) { w.cold.Recovered() },
		Parked:      func(*projections.FoldError) { w.cold.Parked() },
		Interrupted: func(error) { w.cold.Interrupted() },
	}
}
