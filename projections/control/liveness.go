// Package control is the tables readside.*, whose statements stand here: checkpoints, epochs,
// leases, generations of views, what is parked. Judge is the one definition of whether a
// worker is alive, stalled, held back or halted, which the status, GraphQL's freshness,
// readiness and metrics share, for views, facts and reactions alike, so that they cannot
// disagree.
package control

import (
	"fmt"
	"time"
)

// Kind is what a worker does.
type Kind string

// The kinds.
const (
	Hot      Kind = "hot"      // folds views into Postgres
	Cold     Kind = "cold"     // writes facts into ClickHouse
	Reaction Kind = "reaction" // lets a service react to events
)

// State is what a worker does at a moment.
type State string

// The states. The first three are written down by the worker itself and hold as long as
// it lives and moves; the others are judged.
const (
	Building   State = "building"    // it folds the log for the first time; nobody reads it
	CatchingUp State = "catching_up" // it folds events of the past
	Live       State = "live"        // it follows the log
	HeldBack   State = "held_back"   // an open transaction keeps events from it
	Stalled    State = "stalled"     // nobody works, or the work does not move
	Failing    State = "failing"     // it tries the same event again and again
	Halted     State = "halted"      // it stopped at a fault
	Foreign    State = "foreign"     // its checkpoint is of another log or incarnation
)

// Well reports whether a worker in this state does what it is for.
func (s State) Well() bool { return s == Building || s == CatchingUp || s == Live }

// StalledAfter is how long a worker with events to fold may stand still.
const StalledAfter = 10 * time.Second

// HeldAfter is how long a transaction may hold the log back before it counts: every
// command does, for the time of its transaction.
const HeldAfter = time.Second

// Facts are what the checkpoint of a worker, its lease and the log say, read in one
// snapshot. Times are the server's.
type Facts struct {
	Kind Kind
	// State is what the worker wrote down last.
	State State
	// SameLog reports whether the checkpoint is of the log that is here.
	SameLog bool
	// WorkedFor reports whether a worker holds the lease, and the lease is valid.
	WorkedFor bool
	// Failing reports whether the worker tries the same event again and again.
	Failing bool
	// Trouble is what the worker failed at last; empty where nothing is known.
	Trouble string
	// Place is the checkpoint, Head the end of the log.
	Place, Head int64
	// Now is when this was read. Moved is when the checkpoint or a build moved last; a cold
	// worker also moves it every few seconds while it has nothing to do. WaitingSince is when
	// the first event that is not folded was appended; zero where that is not known.
	Now, Moved, WaitingSince time.Time
	// HeldBack reports whether a transaction has held the log back for HeldAfter at least.
	HeldBack bool
	// Replica is of the server that all this was read from.
	Replica Replica
}

// Liveness is what a worker does, how far it is behind, and why it is not well.
type Liveness struct {
	State State
	// LagEvents is how many events at most are not folded, Lag how long the first of them
	// has waited.
	LagEvents int64
	Lag       time.Duration
	// Reason is why the worker is not well; empty where it is.
	Reason string
}

// Judge decides what a worker does.
func Judge(f Facts) Liveness {
	if !f.SameLog {
		return Liveness{State: Foreign, LagEvents: f.Head, Lag: max(0, f.Now.Sub(f.Moved)),
			Reason: "its checkpoint is of another log or incarnation than the one here"}
	}
	l := Liveness{State: f.State, LagEvents: max(0, f.Head-f.Place)}
	f.Now = f.Now.Add(-f.Replica.Behind) // the moment that a standby shows
	still := max(0, f.Now.Sub(f.Moved))
	if l.LagEvents > 0 {
		l.Lag = still // since the last move, where the first waiting event is not known
		if !f.WaitingSince.IsZero() {
			l.Lag = max(0, f.Now.Sub(f.WaitingSince))
		}
		still = min(still, l.Lag)
	}
	l.Lag += f.Replica.Behind
	switch {
	case f.State == Halted:
		l.Reason = because("it halted at a fault", f.Trouble)
	case f.Replica.Standby && !f.Replica.Receiving:
		l.State, l.Reason = Stalled, fmt.Sprintf("this server is a standby without a connection to its primary: how far it is behind is not known, and its last transaction is of %v ago", f.Replica.Behind.Round(time.Second))
	case !f.WorkedFor:
		l.State, l.Reason = Stalled, because("no worker holds its lease", f.Trouble)
	case f.Failing:
		l.State, l.Reason = Failing, because("it tries the same event again and again", f.Trouble)
	case l.LagEvents == 0 && f.Kind == Cold && still > StalledAfter:
		l.State, l.Reason = Stalled, because(fmt.Sprintf("its worker has not been heard of for %v", still.Round(time.Second)), f.Trouble)
	case l.LagEvents == 0 || still <= StalledAfter:
	case f.HeldBack:
		l.State, l.Reason = HeldBack, fmt.Sprintf("an open transaction has held the log back: nothing could be folded for %v", still.Round(time.Second))
	default:
		l.State, l.Reason = Stalled, because(fmt.Sprintf("%d events wait, and it has not moved for %v", l.LagEvents, still.Round(time.Second)), f.Trouble)
	}
	if l.State == Live && f.Replica.Behind > StalledAfter {
		l.State = CatchingUp // the standby is, with the primary's past
	}
	return l
}

func because(reason, trouble string) string {
	if trouble == "" {
		return reason
	}
	return reason + ": " + trouble
}
