package status

import (
	"encoding/json"
	"time"

	"github.com/readside/readside/eventlog"
)

// Report is everything at one moment.
type Report struct {
	At  time.Time `json:"at"`
	Log Log       `json:"log"`
	// Projectors are the hot and the cold ones.
	Projectors []Projector `json:"projectors"`
	Views      []View      `json:"views"`
	Cold       []ColdTable `json:"cold"`
}

// Log is the log itself.
type Log struct {
	Position eventlog.Position `json:"position"`
	// Blocker is who holds the log back at the moment, with what to do; nobody if empty.
	Blocker string `json:"blocker,omitempty"`
	// BlockedSince is when its transaction began.
	BlockedSince time.Time `json:"blocked_since,omitzero"`
}

// Progress is how far somebody has come.
type Progress struct {
	Position eventlog.Position `json:"position"`
	// LagEvents is how many events at most are not folded; LagSeconds how long ago the
	// first of them was appended.
	LagEvents  int64   `json:"lag_events"`
	LagSeconds float64 `json:"lag_seconds"`
	// EventsPerSecond is the rate since an earlier report, where there was one.
	EventsPerSecond *float64 `json:"events_per_second,omitempty"`
	// State is catching_up, live, halted or stalled; a stalled projector has events to
	// fold and has not moved for a while.
	State string `json:"state"`
	// UpdatedAt is when the checkpoint moved last.
	UpdatedAt time.Time `json:"updated_at"`
}

// Projector is a projector's checkpoint.
type Projector struct {
	Name string `json:"name"`
	// Kind is hot or cold.
	Kind string `json:"kind"`
	Progress
	Fault *Fault `json:"fault,omitempty"`
}

// Fault is why a projector halted.
type Fault struct {
	View     string `json:"view,omitempty"`
	Table    string `json:"table,omitempty"`
	Key      string `json:"key,omitempty"`
	Position string `json:"position,omitempty"`
	Type     string `json:"type,omitempty"`
	Stream   string `json:"stream,omitempty"`
	Error    string `json:"error"`
	Hint     string `json:"hint,omitempty"`
}

// View is a view's live generation.
type View struct {
	View       string `json:"view"`
	Version    int    `json:"version"`
	Generation int    `json:"generation"`
	Table      string `json:"table"`
	Projector  string `json:"projector"`
	Progress
}

// ColdTable is a table of the cold store.
type ColdTable struct {
	Table      string `json:"table"`
	Fact       string `json:"fact"`
	Generation int    `json:"generation"`
	Rows       int64  `json:"rows"`
	Projector  string `json:"projector"`
	Progress
}

// Stalled is the state of a projector that has events to fold and does not move.
const Stalled = "stalled"

// stalledAfter is how long a projector that is behind may stand still.
const stalledAfter = 10 * time.Second

// progress judges a place against the head of the log.
func progress(head eventlog.Position, at time.Time, c checkpoint, place int64) Progress {
	p := Progress{
		Position: c.position.At(place), State: c.state, UpdatedAt: c.updatedAt,
		LagEvents: max(0, head.Place()-place),
	}
	if p.LagEvents == 0 {
		return p
	}
	since := c.updatedAt // of the last move, where the first waiting event is not known
	if c.waitingSince != nil {
		since = *c.waitingSince
	}
	p.LagSeconds = max(0, at.Sub(since).Seconds())
	still := min(at.Sub(since), at.Sub(c.updatedAt))
	if p.State != "halted" && still > stalledAfter {
		p.State = Stalled
	}
	return p
}

// fault reads what a projector wrote down when it halted; whatever it is, it is shown.
func fault(doc []byte) *Fault {
	if len(doc) == 0 {
		return nil
	}
	f := &Fault{}
	if err := json.Unmarshal(doc, f); err != nil || f.Error == "" {
		f.Error = string(doc)
	}
	return f
}

// Since fills in the rates since an earlier report.
func (r *Report) Since(before *Report) {
	if before == nil {
		return
	}
	seconds := r.At.Sub(before.At).Seconds()
	if seconds <= 0 {
		return
	}
	places := map[string]int64{}
	for _, p := range before.Projectors {
		places[p.Name] = p.Position.Place()
	}
	rates := map[string]*float64{}
	for i := range r.Projectors {
		p := &r.Projectors[i]
		if place, known := places[p.Name]; known {
			rate := float64(p.Position.Place()-place) / seconds
			p.EventsPerSecond, rates[p.Name] = &rate, &rate
		}
	}
	for i := range r.Views {
		r.Views[i].EventsPerSecond = rates[r.Views[i].Projector]
	}
	for i := range r.Cold {
		r.Cold[i].EventsPerSecond = rates[r.Cold[i].Projector]
	}
}

// CaughtUp says that everything has reached the head of the log.
func (r *Report) CaughtUp() bool {
	for _, p := range r.Projectors {
		if p.LagEvents > 0 {
			return false
		}
	}
	for _, c := range r.Cold {
		if c.LagEvents > 0 {
			return false
		}
	}
	return true
}

// Behind says that somebody has still to fold events.
func (r *Report) Behind() bool { return !r.CaughtUp() }
