package command

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Counters counts the commands of all services, for /metrics and for the demo's screen.
// It is a prometheus.Collector.
type Counters struct {
	commands *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	mu       sync.Mutex
	services map[string]*atomic.Int64
}

// NewCounters counts from nothing.
func NewCounters() *Counters {
	return &Counters{
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "readside_shop_commands_total",
			Help: "Commands answered, by service, command and outcome: accepted, or the refusal's code.",
		}, []string{"service", "command", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "readside_shop_command_seconds",
			Help:    "How long accepted commands took, by service.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"service"}),
		services: map[string]*atomic.Int64{},
	}
}

// Describe and Collect make Counters a prometheus.Collector.
func (c *Counters) Describe(ch chan<- *prometheus.Desc) {
	c.commands.Describe(ch)
	c.seconds.Describe(ch)
}

// Collect hands over the present counts.
func (c *Counters) Collect(ch chan<- prometheus.Metric) {
	c.commands.Collect(ch)
	c.seconds.Collect(ch)
}

// Accepted is the number of accepted commands of each service that has any.
func (c *Counters) Accepted() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := make(map[string]int64, len(c.services))
	for service, n := range c.services {
		counts[service] = n.Load()
	}
	return counts
}

func (c *Counters) accepted(service, kind string, took time.Duration) {
	c.commands.WithLabelValues(service, kind, "accepted").Inc()
	c.seconds.WithLabelValues(service).Observe(took.Seconds())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.services[service] == nil {
		c.services[service] = new(atomic.Int64)
	}
	c.services[service].Add(1)
}

func (c *Counters) refused(service, kind, code string) {
	c.commands.WithLabelValues(service, kind, code).Inc()
}
