package status

import (
	"fmt"

	"github.com/readside/readside/projections/control"
)

// Trouble is one thing that is wrong.
type Trouble struct {
	Cause control.Cause `json:"cause"`
	// Subject is what is not well: postgres, clickhouse, or a worker, view, fact or reaction
	// with its kind, as "hot main@3f2a91bc" or "fact order_lines".
	Subject string `json:"subject"`
	// Text says it to people.
	Text string `json:"text"`
	// Degraded says that the subject goes on, and what it gives is marked as incomplete.
	Degraded bool `json:"degraded,omitempty"`
}

// Store is a server that was asked whether it is there.
type Store struct {
	Name  string        `json:"name"`
	Cause control.Cause `json:"cause,omitempty"`
	// Error is why it cannot be used; empty where it can.
	Error string `json:"error,omitempty"`
}

// Scope is whose troubles are looked for; all that is empty is left out.
type Scope struct {
	// Hot and Cold are the projectors of a program's definitions: those of former ones may
	// stand still.
	Hot, Cold string
	// Reactions says that reactions count.
	Reactions bool
}

// Troubles are what is wrong within the scope. The status, readiness and metrics show
// these, and nothing else.
func (r *Report) Troubles(s Scope) []Trouble {
	all := []Trouble{}
	for _, store := range r.Stores {
		if store.Error != "" {
			all = append(all, Trouble{store.Cause, store.Name, store.Error, false})
		}
	}
	for _, own := range [][2]string{{string(control.Hot), s.Hot}, {string(control.Cold), s.Cold}} {
		if own[1] != "" {
			all = append(all, r.ofProjector(own[0], own[1])...)
		}
	}
	if s.Reactions {
		for _, reaction := range r.Reactions {
			all = append(all, reaction.troubles()...)
		}
	}
	return all
}

// ofProjector are the troubles of a projector, or that it is not there.
func (r *Report) ofProjector(kind, name string) (all []Trouble) {
	for _, p := range r.Projectors {
		if p.Kind != kind || p.Name != name {
			continue
		}
		if p.Reason != "" || p.State == building {
			all = append(all, Trouble{control.Cause(p.State), kind + " " + name, fmt.Sprintf("the %s projector %s is %s%s", kind, name, shownWord(p.State), p.detail()), false})
		}
		return append(all, r.parkedOf(kind, name)...)
	}
	return []Trouble{{control.NotThere, kind + " " + name, fmt.Sprintf("the %s projector %s has never worked", kind, name), false}}
}

// detail is why a projector is not well, or how far its first build is.
func (p Projector) detail() string {
	if p.State != building {
		return ": " + p.Reason
	}
	if p.BuiltPercent != nil {
		return fmt.Sprintf(" its views: %d %% of the log are read", *p.BuiltPercent)
	}
	return " its views"
}

func (r *Report) parkedOf(kind, name string) (all []Trouble) {
	note := func(what string, n int64) {
		if n > 0 {
			all = append(all, Trouble{control.Parked, what, fmt.Sprintf("%s lacks %d events that wait: `parked list` shows why", what, n), true})
		}
	}
	for _, v := range r.Views {
		if kind == string(control.Hot) && v.Projector == name {
			note("view "+v.View, v.Parked)
		}
	}
	for _, t := range r.Cold {
		if kind == string(control.Cold) && t.Projector == name {
			note("fact "+t.Fact, t.Parked)
		}
	}
	return all
}

func (s Reaction) troubles() (all []Trouble) {
	subject := "reaction " + s.Reaction
	if s.Reason != "" {
		all = append(all, Trouble{control.Cause(s.State), subject, fmt.Sprintf("the reaction %s is %s: %s", s.Reaction, shownWord(s.State), s.Reason), false})
	}
	if s.DeadLetters > 0 {
		all = append(all, Trouble{control.DeadLetters, subject, fmt.Sprintf("the reaction %s could not handle %d events: `deadletters list` shows why", s.Reaction, s.DeadLetters), true})
	}
	return all
}
