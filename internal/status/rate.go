package status

import (
	"time"

	"github.com/readside/readside/projections/control"
)

// Since fills in the rates since an earlier report, and what they promise.
//
// Checkpoints move by whole batches, which may take seconds: between two looks one has
// moved by a batch or not at all, which says nothing of its rate. So a rate is counted from
// one move to another: the events between the two checkpoints, over the time between the
// two commits by the server's clock. Where the checkpoint has not moved between the
// reports the rate is not known, until it has stood still for so long that it is none.
//
//	batches of 10,000 events, one each 3.6 s, looked at every 0.5 s:
//	by the clock of the looks   20,000/s and 0/s by turns
//	by the clock of the commits 2,800/s, or not known
func (r *Report) Since(before *Report) {
	if before == nil || !r.At.After(before.At) {
		return
	}
	inflow := float64(r.Log.Position.Place()-before.Log.Position.Place()) / r.At.Sub(before.At).Seconds()
	rates := map[string]*float64{}
	for _, p := range r.Projectors {
		for _, was := range before.Projectors {
			if was.Kind == p.Kind && was.Name == p.Name {
				rates[p.Kind+" "+p.Name] = p.rateSince(was.Progress, before.At, r.At)
			}
		}
	}
	head := r.Log.Position.Place()
	for i := range r.Projectors {
		r.Projectors[i].promise(rates[r.Projectors[i].Kind+" "+r.Projectors[i].Name], head, inflow)
	}
	for i := range r.Views {
		r.Views[i].promise(rates["hot "+r.Views[i].Projector], head, inflow)
	}
	for i := range r.Cold {
		r.Cold[i].promise(rates["cold "+r.Cold[i].Projector], head, inflow)
	}
}

// rateSince is the rate from one move to another; nil where it is not known.
func (p Progress) rateSince(was Progress, wasAt, at time.Time) *float64 {
	none := 0.0
	if p.done == was.done {
		if p.LagEvents == 0 || at.Sub(p.UpdatedAt) > control.StalledAfter {
			return &none
		}
		return nil
	}
	// One that had nothing to fold before began when the first event came.
	from := wasAt
	if was.LagEvents > 0 {
		from = wasAt.Add(-time.Duration(was.LagSeconds * float64(time.Second)))
	}
	if was.UpdatedAt.After(from) {
		from = was.UpdatedAt
	}
	took := p.UpdatedAt.Sub(from).Seconds()
	if p.done < was.done || took <= 0 {
		return nil
	}
	rate := float64(p.done-was.done) / took
	return &rate
}

// promise fills in the rate and the time that is left: what comes in meanwhile has to be
// folded, too. The time is not known without a rate, nor where the rest grows.
func (p *Progress) promise(rate *float64, head int64, inflow float64) {
	p.EventsPerSecond = rate
	lag := float64(max(0, head-p.done))
	if left := 0.0; lag == 0 && rate != nil {
		p.LeftSeconds = &left
	} else if rate != nil && *rate > inflow && control.State(p.State).Well() {
		left = lag / (*rate - inflow)
		p.LeftSeconds = &left
	}
}

// RatesKnown reports whether Since has found a rate for every projector that is behind
// and works.
func (r *Report) RatesKnown() bool {
	for _, p := range r.Projectors {
		if p.EventsPerSecond == nil && p.LagEvents > 0 && control.State(p.State).Well() {
			return false
		}
	}
	return true
}
