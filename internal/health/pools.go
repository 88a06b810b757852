package health

import (
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

var (
	acquiredDesc = desc("pool_acquired_connections", "Connections of the pool to Postgres that are in use.", "pool")
	idleDesc     = desc("pool_idle_connections", "Connections of the pool that wait for use.", "pool")
	maxDesc      = desc("pool_max_connections", "Connections that the pool has at most.", "pool")
	waitsDesc    = desc("pool_waits_total", "How often somebody had to wait for a connection of the pool.", "pool")
	waitedDesc   = desc("pool_wait_seconds_total", "How long was waited for connections of the pool.", "pool")
)

// Pools shows how pools of connections do.
type Pools struct {
	mu    sync.Mutex
	pools map[string]*pgxpool.Pool
}

// NewPools makes Pools of none.
func NewPools() *Pools { return &Pools{pools: map[string]*pgxpool.Pool{}} }

// Add shows a pool under a name; a closed one is left out by Remove.
func (p *Pools) Add(name string, pool *pgxpool.Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pools[name] = pool
}

// Remove shows a pool no longer.
func (p *Pools) Remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pools, name)
}

// Describe tells all metrics.
func (p *Pools) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{acquiredDesc, idleDesc, maxDesc, waitsDesc, waitedDesc} {
		ch <- d
	}
}

// Collect reads the pools' own counts; it asks no server.
func (p *Pools) Collect(ch chan<- prometheus.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, pool := range p.pools {
		s := pool.Stat()
		for _, m := range []struct {
			desc  *prometheus.Desc
			kind  prometheus.ValueType
			value float64
		}{
			{acquiredDesc, prometheus.GaugeValue, float64(s.AcquiredConns())},
			{idleDesc, prometheus.GaugeValue, float64(s.IdleConns())},
			{maxDesc, prometheus.GaugeValue, float64(s.MaxConns())},
			{waitsDesc, prometheus.CounterValue, float64(s.EmptyAcquireCount())},
			{waitedDesc, prometheus.CounterValue, s.EmptyAcquireWaitTime().Seconds()},
		} {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value, name)
		}
	}
}
