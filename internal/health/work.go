package health

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// batchBuckets are those of the durations of batches, in seconds.
var batchBuckets = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}

// Work counts what one side of this process's projectors does.
type Work struct {
	batches, events, interruptions, parked, recovered prometheus.Counter
	seconds                                           prometheus.Histogram
}

// NewWork registers the counts of a side, hot or cold; events are what its batches hold.
func NewWork(r prometheus.Registerer, side, events string) *Work {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "readside", Subsystem: side, Name: name, Help: help})
	}
	w := &Work{
		batches:       counter("batches_total", "Batches that this process has written."),
		events:        counter(events+"_total", "What this process's batches held: "+events+"."),
		interruptions: counter("interruptions_total", "How often a store failed this process's work, which was tried again."),
		parked:        counter("parked_total", "Events that this process has parked."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "readside", Subsystem: side, Name: "batch_seconds",
			Help: "Duration of a batch, from its beginning to its commit.", Buckets: batchBuckets}),
	}
	r.MustRegister(w.batches, w.events, w.interruptions, w.parked, w.seconds)
	if side == "cold" {
		w.recovered = counter("recoveries_total", "Blocks of the ledger whose fate this process had to find out.")
		r.MustRegister(w.recovered)
	}
	return w
}

// Batch counts a batch.
func (w *Work) Batch(events int64, took time.Duration) {
	w.batches.Inc()
	w.events.Add(float64(events))
	w.seconds.Observe(took.Seconds())
}

// Interrupted counts a failure of a store, Parked a parked event, Recovered a block.
func (w *Work) Interrupted() { w.interruptions.Inc() }

// Parked counts a parked event.
func (w *Work) Parked() { w.parked.Inc() }

// Recovered counts a block whose fate was found out.
func (w *Work) Recovered() { w.recovered.Inc() }

// NewRegistry has the metrics of the Go runtime and of the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
