package health

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/readside/readside/internal/status"
	"github.com/readside/readside/projections/control"
)

// states are those that a worker can be in, each a value of a label.
var states = []control.State{control.Building, control.CatchingUp, control.Live, control.HeldBack, control.Stalled, control.Failing, control.Halted, control.Foreign}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("readside_"+name, help, labels, nil)
}

// The metrics of a snapshot.
var (
	readyDesc   = desc("ready", "1 when /readyz is 200, else 0.")
	troubleDesc = desc("trouble", "1 for each thing that is wrong, by its cause. Degraded ones leave /readyz ready.", "cause", "subject", "degraded")
	storeDesc   = desc("store_up", "1 when the store answers, else 0.", "store")
	endDesc     = desc("log_end_place", "The last place of the log.")
	heldDesc    = desc("log_held_back_seconds", "For how long the oldest transaction that holds the log back has been open; 0 when none does. The holder is its role and program.", "holder")

	placeDesc      = desc("projector_place", "The place of the log up to which the projector has folded.", "kind", "projector")
	lagDesc        = desc("projector_lag_events", "Events of the log that the projector has not folded, at most.", "kind", "projector")
	ageDesc        = desc("projector_lag_seconds", "How long ago the first event that is not folded was appended.", "kind", "projector")
	stateDesc      = desc("projector_state", "1 for the state that the projector is in, 0 for the others.", "kind", "projector", "state")
	blocksDesc     = desc("cold_ledger_open_blocks", "Blocks of the ledger that are not known to be in ClickHouse.", "projector")
	parkedDesc     = desc("parked_events", "Events of a view or fact that wait because they, or one before them of the same row, could not be folded.", "kind", "name")
	verifiedDesc   = desc("verified_seconds", "How long ago the view or fact was last found equal to the log, all of it; no value where it has not been yet.", "kind", "projector", "name")
	differsDesc    = desc("differs", "1 while continuous verification knows a row of the view or fact that is not what the log says, else 0.", "kind", "projector", "name")
	reactedDesc    = desc("reaction_place", "The place of the log up to which the reaction has handled events.", "reaction")
	reactLagDesc   = desc("reaction_lag_events", "Events of the log that the reaction has not passed, at most.", "reaction")
	reactAgeDesc   = desc("reaction_lag_seconds", "How long ago the first event that the reaction has not passed was appended.", "reaction")
	reactStateDesc = desc("reaction_state", "1 for the state that the reaction is in, 0 for the others.", "reaction", "state")
	deadDesc       = desc("reaction_dead_letters_events", "Events that the reaction could not handle, and that wait for an operator.", "reaction")
)

// Collector shows a monitor's snapshots to Prometheus. What is not known has no value:
// an old one would look like a fresh one.
type Collector struct{ monitor *Monitor }

// NewCollector makes a Collector.
func NewCollector(m *Monitor) *Collector { return &Collector{m} }

// Describe tells all metrics.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, troubleDesc, storeDesc, endDesc, heldDesc, placeDesc, lagDesc, ageDesc, stateDesc,
		blocksDesc, parkedDesc, verifiedDesc, differsDesc, reactedDesc, reactLagDesc, reactAgeDesc, reactStateDesc, deadDesc} {
		ch <- d
	}
}

// Collect looks at the stores, at most once a second.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.monitor.Now()
	w := writer{ch}
	w.gauge(readyDesc, number(s.Ready()))
	for labels := range distinct(s.Troubles) {
		w.gauge(troubleDesc, 1, labels[:]...)
	}
	for name, up := range storesUp(s) {
		w.gauge(storeDesc, number(up), name)
	}
	if s.Known {
		w.log(s.Report)
		w.workers(s.Report)
	}
}

// distinct are the labels of troubles; several may differ in their text alone.
func distinct(all []status.Trouble) map[[3]string]bool {
	found := map[[3]string]bool{}
	for _, t := range all {
		found[[3]string{string(t.Cause), t.Subject, yesNo(t.Degraded)}] = true
	}
	return found
}

// storesUp are the stores that were asked; one that was asked in several ways is up when
// all of them were answered.
func storesUp(s *Snapshot) map[string]bool {
	up := map[string]bool{"postgres": true}
	for _, store := range s.Report.Stores {
		before, asked := up[store.Name]
		up[store.Name] = store.Error == "" && (before || !asked)
	}
	return up
}

type writer struct{ ch chan<- prometheus.Metric }

func (w writer) gauge(d *prometheus.Desc, value float64, labels ...string) {
	for i, label := range labels {
		labels[i] = strings.ToValidUTF8(label, "?")
	}
	w.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (w writer) log(r *status.Report) {
	w.gauge(endDesc, float64(r.Log.Position.Place()))
	holder, held := "nobody", 0.0
	if r.Log.Blocker != "" {
		holder, held = r.Log.BlockerRole+"/"+r.Log.BlockerProgram, max(0, r.At.Sub(r.Log.BlockedSince).Seconds())
	}
	w.gauge(heldDesc, held, holder)
}

func (w writer) workers(r *status.Report) {
	for _, p := range r.Projectors {
		w.gauge(placeDesc, float64(p.Position.Place()), p.Kind, p.Name)
		w.gauge(lagDesc, float64(p.LagEvents), p.Kind, p.Name)
		w.gauge(ageDesc, p.LagSeconds, p.Kind, p.Name)
		for _, state := range states {
			w.gauge(stateDesc, number(p.State == string(state)), p.Kind, p.Name, string(state))
		}
		if p.Kind == string(control.Cold) {
			w.gauge(blocksDesc, float64(p.OpenBlocks), p.Name)
		}
	}
	w.tables(r)
	for _, s := range r.Reactions {
		w.gauge(reactedDesc, float64(s.Position.Place()), s.Reaction)
		w.gauge(reactLagDesc, float64(s.LagEvents), s.Reaction)
		w.gauge(reactAgeDesc, s.LagSeconds, s.Reaction)
		for _, state := range states {
			w.gauge(reactStateDesc, number(s.State == string(state)), s.Reaction, string(state))
		}
		w.gauge(deadDesc, float64(s.DeadLetters), s.Reaction)
	}
}

// tables shows what waits in each view and fact, and when it was last compared.
func (w writer) tables(r *status.Report) {
	parked := map[[2]string]int64{} // of several generations the most
	for _, v := range r.Views {
		parked[[2]string{"view", v.View}] = max(parked[[2]string{"view", v.View}], v.Parked)
		w.verified(r, v.Verified, "view", v.Projector, v.View)
	}
	for _, t := range r.Cold {
		parked[[2]string{"fact", t.Fact}] = max(parked[[2]string{"fact", t.Fact}], t.Parked)
		w.verified(r, t.Verified, "fact", t.Projector, t.Fact)
	}
	for name, n := range parked {
		w.gauge(parkedDesc, float64(n), name[0], name[1])
	}
}

func (w writer) verified(r *status.Report, v *status.Verified, kind, projector, name string) {
	if v == nil {
		return
	}
	w.gauge(differsDesc, number(v.Difference != nil), kind, projector, name)
	if !v.EqualAt.IsZero() {
		w.gauge(verifiedDesc, max(0, r.At.Sub(v.EqualAt).Seconds()), kind, projector, name)
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
