package status

import (
	"encoding/json"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/control"
)

// Report is everything at one moment.
type Report struct {
	At  time.Time `json:"at"`
	Log Log       `json:"log"`
	// Projectors are the hot and the cold ones.
	Projectors []Projector `json:"projectors"`
	Views      []View      `json:"views"`
	Cold       []ColdTable `json:"cold"`
	// Reactions are those of all services.
	Reactions []Reaction `json:"reactions"`
	// Stores are the servers that were asked whether they are there.
	Stores []Store `json:"stores,omitempty"`
}

// Log is the log itself.
type Log struct {
	Position eventlog.Position `json:"position"`
	// Blocker is who holds the log back at the moment, with what to do; nobody if empty.
	Blocker string `json:"blocker,omitempty"`
	// BlockedSince is when its transaction began.
	BlockedSince time.Time `json:"blocked_since,omitzero"`
	// BlockerRole and BlockerProgram are the role and the application name of its session.
	BlockerRole    string `json:"blocker_role,omitempty"`
	BlockerProgram string `json:"blocker_program,omitempty"`
}

// HeldBack is who holds the log back for so long that somebody should look; nobody if
// empty.
func (r *Report) HeldBack() string {
	if r.At.Sub(r.Log.BlockedSince) < control.HeldAfter {
		return ""
	}
	return r.Log.Blocker
}

// Progress is how far somebody has come.
type Progress struct {
	Position eventlog.Position `json:"position"`
	// LagEvents is how many events at most are not folded; LagSeconds how long ago the
	// first of them was appended.
	LagEvents  int64   `json:"lag_events"`
	LagSeconds float64 `json:"lag_seconds"`
	// EventsPerSecond is the rate since an earlier report, see Since; LeftSeconds is how
	// long the rest takes at that rate, new events counted in. Each is absent where it is
	// not known.
	EventsPerSecond *float64 `json:"events_per_second,omitempty"`
	LeftSeconds     *float64 `json:"left_seconds,omitempty"`
	// State is building, catching_up, live, held_back, stalled, halted or foreign, as
	// control.Judge decides. Nobody works for a stalled projector, or it has events to fold
	// and has not moved for a while.
	State string `json:"state"`
	// Reason is why the state is not what it should be; empty where it is.
	Reason string `json:"reason,omitempty"`
	// BuiltPercent is how much of the log a first build has read; absent for others.
	BuiltPercent *int64 `json:"built_percent,omitempty"`
	// UpdatedAt is when the checkpoint, or a first build, moved last.
	UpdatedAt time.Time `json:"updated_at"`

	done int64 // places folded, or read by a first build
}

// Projector is a projector's checkpoint.
type Projector struct {
	Name string `json:"name"`
	// Kind is hot or cold.
	Kind string `json:"kind"`
	Progress
	// Rebuilds is the projector whose view this one builds anew.
	Rebuilds string `json:"rebuilds,omitempty"`
	// Owner is who works for a hot projector; absent where nobody does.
	Owner *Owner `json:"owner,omitempty"`
	// OpenBlocks are those of a cold projector's ledger that are not known to be in ClickHouse.
	OpenBlocks int64  `json:"open_blocks,omitempty"`
	Fault      *Fault `json:"fault,omitempty"`
}

// Owner is a worker.
type Owner struct {
	Host    string `json:"host"`
	Process int    `json:"process"`
	// LeaseLeftSeconds is how long it owns the projector without renewing.
	LeaseLeftSeconds float64 `json:"lease_left_seconds"`
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

// View is a generation of a view that is read or written.
type View struct {
	View       string `json:"view"`
	Version    int    `json:"version"`
	Generation int    `json:"generation"`
	Table      string `json:"table"`
	Projector  string `json:"projector"`
	// Live reports whether readers may read it; one that is being built they do not see.
	Live bool `json:"live"`
	// Parked is how many of its events wait: those that could not be folded, and those
	// of the same rows behind them.
	Parked int64 `json:"parked"`
	// Verified is what continuous verification knows of it; absent where it is off, or has
	// not compared this generation yet.
	Verified *Verified `json:"verified,omitempty"`
	Progress
}

// ColdTable is a table of the cold store.
type ColdTable struct {
	Table      string `json:"table"`
	Fact       string `json:"fact"`
	Generation int    `json:"generation"`
	Rows       int64  `json:"rows"`
	Projector  string `json:"projector"`
	// Parked is how many events it has no rows of, since they could not be written.
	Parked int64 `json:"parked"`
	// Verified is as a view's.
	Verified *Verified `json:"verified,omitempty"`
	Progress
}

// Stalled is the state of a projector that nobody works for, or that has events to fold
// and does not move.
const Stalled = string(control.Stalled)

const (
	building = string(control.Building)
	halted   = string(control.Halted)
	foreign  = string(control.Foreign)
	heldBack = string(control.HeldBack)
)

// progress judges a place against the head of the log; a checkpoint of another
// incarnation has read nothing of this log. heldBack names who holds the log back.
func progress(head eventlog.Position, at time.Time, c checkpoint, place int64, heldBack string) Progress {
	f := control.Facts{
		Kind: control.Kind(c.kind), State: control.State(c.state), SameLog: c.position.SameLog(head), WorkedFor: c.workedFor,
		Place: place, Head: head.Place(), Now: at, Moved: c.updatedAt, HeldBack: heldBack != "",
	}
	if c.waiting != nil {
		f.WaitingSince = at.Add(-*c.waiting)
	}
	if last := fault(c.fault); last != nil {
		f.Trouble = last.Error
	}
	l := control.Judge(f)
	p := Progress{
		Position: c.position.At(place), LagEvents: l.LagEvents, LagSeconds: l.Lag.Seconds(),
		State: string(l.State), Reason: withHolder(l, heldBack), UpdatedAt: c.updatedAt.UTC(), done: max(place, c.read),
	}
	if l.State == control.Foreign {
		p.Position, p.done = c.position, 0
	}
	if c.state == building && f.SameLog {
		p.BuiltPercent = percent(p.done, head.Place())
	}
	return p
}

// withHolder is why a worker is not well, with who holds it up.
func withHolder(l control.Liveness, holder string) string {
	if l.State == control.HeldBack && holder != "" {
		return l.Reason + ", by " + holder
	}
	return l.Reason
}

// percent is how much is done; what is not yet live is not complete.
func percent(done, of int64) *int64 {
	const most = 99
	p := int64(0)
	if of > 0 {
		p = min(most, 100*done/of)
	}
	return &p
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

// CaughtUp reports whether everything has reached the head of the log, and can be read.
func (r *Report) CaughtUp() bool {
	for _, v := range r.Views {
		if !v.Live {
			return false
		}
	}
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

// Behind reports whether somebody has still to fold events.
func (r *Report) Behind() bool { return !r.CaughtUp() }
