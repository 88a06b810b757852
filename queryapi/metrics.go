package queryapi

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what an API does. A nil *Metrics counts nothing.
type Metrics struct {
	operations *prometheus.CounterVec
	seconds    prometheus.Histogram
	waits      *prometheus.CounterVec
	waitTime   prometheus.Histogram
	lag        *prometheus.GaugeVec
	age        *prometheus.GaugeVec
	halted     *prometheus.GaugeVec
	parked     *prometheus.GaugeVec
	inFlight   prometheus.Gauge
	ready      prometheus.Gauge
	troubles   *prometheus.GaugeVec
	states     *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "readside", Subsystem: "query", Name: name, Help: help}
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "readside", Subsystem: "query", Name: name, Help: help, Buckets: buckets})
	}
	m := &Metrics{
		operations: prometheus.NewCounterVec(prometheus.CounterOpts(opts("operations_total", "GraphQL operations by the code of their first error, OK without one.")), []string{"code"}),
		seconds:    histogram("operation_seconds", "Duration of operations, waits included.", []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}),
		waits:      prometheus.NewCounterVec(prometheus.CounterOpts(opts("waits_total", "Waits for a command's position by outcome.")), []string{"reached"}),
		waitTime:   histogram("wait_seconds", "How long was waited for a command's position.", []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}),
		lag:        prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("view_lag_events", "Events of the log that the view has not folded, at most.")), []string{"view"}),
		age:        prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("view_age_seconds", "How long ago the first event not folded was appended.")), []string{"view"}),
		halted:     prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("view_halted", "1 when the view's projector halted.")), []string{"view"}),
		parked:     prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("view_parked_events", "Events of the view that wait because they, or one before them of the same row, could not be folded.")), []string{"view"}),
		ready:      prometheus.NewGauge(prometheus.GaugeOpts(opts("ready", "1 when /readyz is 200, else 0."))),
		troubles:   prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("troubles", "How many things keep queries from being answered well, by cause. Degraded ones leave /readyz ready.")), []string{"cause", "degraded"}),
		states:     prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("view_state", "1 for the state that the view's projector is in.")), []string{"view", "state"}),
		inFlight:   prometheus.NewGauge(prometheus.GaugeOpts(opts("requests_in_flight", "Requests being answered."))),
	}
	for _, c := range []prometheus.Collector{m.operations, m.seconds, m.waits, m.waitTime, m.lag, m.age, m.halted, m.parked, m.inFlight, m.ready, m.troubles, m.states} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

const codeOK = "OK"

func (m *Metrics) operation(a *Answer, took time.Duration) {
	if m == nil {
		return
	}
	code := codeOK
	if len(a.Errors) > 0 {
		code = a.Errors[0].Code()
	}
	m.operations.WithLabelValues(code).Inc()
	m.seconds.Observe(took.Seconds())
}

func (m *Metrics) waited(reached bool, took time.Duration) {
	if m == nil {
		return
	}
	outcome := "no"
	if reached {
		outcome = "yes"
	}
	m.waits.WithLabelValues(outcome).Inc()
	m.waitTime.Observe(took.Seconds())
}

// views sets the gauges of each view. One that could not be read has none: its last
// value would show it as fresh as it was then.
func (m *Metrics) views(views []*view, fresh []*Freshness) {
	if m == nil {
		return
	}
	for _, v := range views {
		if !slices.ContainsFunc(fresh, func(f *Freshness) bool { return f.View == v.model.Name }) {
			for _, gauge := range []*prometheus.GaugeVec{m.lag, m.age, m.halted, m.parked} {
				gauge.DeleteLabelValues(v.model.Name)
			}
		}
	}
	m.states.Reset()
	for _, f := range fresh {
		m.states.WithLabelValues(f.View, strings.ToLower(f.State)).Set(1)
		m.lag.WithLabelValues(f.View).Set(float64(f.LagEvents))
		m.age.WithLabelValues(f.View).Set(float64(f.AgeMs) / 1000)
		halted := 0.0
		if f.State == "HALTED" {
			halted = 1
		}
		m.halted.WithLabelValues(f.View).Set(halted)
		m.parked.WithLabelValues(f.View).Set(float64(f.Parked))
	}
}

// found sets what readiness says.
func (m *Metrics) found(all []Trouble) {
	if m == nil {
		return
	}
	reasons, _ := split(all)
	m.ready.Set(0)
	if len(reasons) == 0 {
		m.ready.Set(1)
	}
	m.troubles.Reset()
	for _, t := range all {
		m.troubles.WithLabelValues(string(t.Cause), strconv.FormatBool(t.Degraded)).Inc()
	}
}

func (m *Metrics) requests(delta float64) {
	if m != nil {
		m.inFlight.Add(delta)
	}
}
