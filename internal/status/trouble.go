package status

import (
	"fmt"
	"time"

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
	// Degraded reports whether the subject goes on, and what it gives is marked as incomplete: see
	// control.Cause.
	Degraded bool `json:"degraded,omitempty"`
}

func trouble(cause control.Cause, subject, format string, args ...any) Trouble {
	return Trouble{Cause: cause, Subject: subject, Text: fmt.Sprintf(format, args...), Degraded: cause.Degraded()}
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
	// Reactions reports whether reactions count.
	Reactions bool
}

// Troubles are what is wrong within the scope. The status, readiness and metrics show
// these, and nothing else.
func (r *Report) Troubles(s Scope) []Trouble {
	all := []Trouble{}
	for _, store := range r.Stores {
		if store.Error != "" {
			all = append(all, trouble(store.Cause, store.Name, "%s", store.Error))
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
			all = append(all, trouble(control.Cause(p.State), kind+" "+name, "the %s projector %s is %s%s", kind, name, shownWord(p.State), p.detail()))
		}
		return append(all, r.ofRows(kind, name)...)
	}
	return []Trouble{trouble(control.NotThere, kind+" "+name, "the %s projector %s has never worked", kind, name)}
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

// ofRows are the troubles of the rows of a projector's views or facts.
func (r *Report) ofRows(kind, name string) (all []Trouble) {
	for _, v := range r.Views {
		if kind == string(control.Hot) && v.Projector == name {
			all = append(all, rowTroubles("view "+v.View, v.Parked, v.Verified)...)
		}
	}
	for _, t := range r.Cold {
		if kind == string(control.Cold) && t.Projector == name {
			all = append(all, rowTroubles("fact "+t.Fact, t.Parked, t.Verified)...)
		}
	}
	return all
}

// rowTroubles are what is missing in a view or fact, and what continuous verification found.
func rowTroubles(subject string, parked int64, v *Verified) (all []Trouble) {
	if parked > 0 {
		all = append(all, trouble(control.Parked, subject, "%s lacks %d events that wait: `parked list` shows why", subject, parked))
	}
	if v == nil {
		return all
	}
	if v.Difference != nil {
		all = append(all, trouble(control.Differs, subject, "%s is not what the log says, found at %s: %s; %s",
			subject, v.FoundAt.UTC().Format(time.RFC3339), v.Difference.RowText(), remedy("", v.Difference)))
	}
	if v.Problem != "" {
		all = append(all, trouble(control.NotCompared, subject, "%s cannot be compared with the log: `status` shows why", subject))
	}
	return all
}

func (s Reaction) troubles() (all []Trouble) {
	subject := "reaction " + s.Reaction
	if s.Reason != "" {
		all = append(all, trouble(control.Cause(s.State), subject, "the reaction %s is %s: %s", s.Reaction, shownWord(s.State), s.Reason))
	}
	if s.DeadLetters > 0 {
		all = append(all, trouble(control.DeadLetters, subject, "the reaction %s could not handle %d events: `deadletters list` shows why", s.Reaction, s.DeadLetters))
	}
	return all
}
