package status

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/reaction"
	"github.com/readside/readside/projections/control"
)

// Reaction is how a service's reaction does.
type Reaction struct {
	reaction.Status
	LagEvents  int64   `json:"lag_events"`
	LagSeconds float64 `json:"lag_seconds"`
	// State is catching_up, live, held_back, failing, stalled or foreign, as control.Judge
	// decides, and Reason why it is not what it should be.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// Reacting judges a reaction against the head of the log; heldBack names who holds the
// log back.
func Reacting(s reaction.Status, head eventlog.Position, at time.Time, heldBack string) Reaction {
	f := control.Facts{
		Kind: control.Reaction, State: control.CatchingUp, SameLog: s.Position.SameLog(head), WorkedFor: s.Alive,
		Failing: s.FailingSince != nil, Trouble: s.Error,
		Place: s.Position.Place(), Head: head.Place(), Now: at, HeldBack: heldBack != "",
	}
	if f.Place >= f.Head {
		f.State = control.Live
	}
	if s.MovedAt != nil {
		f.Moved = *s.MovedAt
	}
	if s.Waiting != nil {
		f.WaitingSince = at.Add(-*s.Waiting)
	}
	l := control.Judge(f)
	return Reaction{Status: s, LagEvents: l.LagEvents, LagSeconds: l.Lag.Seconds(), State: string(l.State), Reason: withHolder(l, heldBack)}
}

func reactionRows(all []Reaction) [][]string {
	rows := [][]string{{"REACTION", "SCHEMA", "POSITION", "LAG", "AGE", "DEAD LETTERS", "STATE"}}
	for _, s := range all {
		rows = append(rows, []string{
			cut(s.Reaction), cut(s.Schema), strconv.FormatInt(s.Position.Place(), 10), strconv.FormatInt(s.LagEvents, 10), seconds(s.LagSeconds),
			strconv.FormatInt(s.DeadLetters, 10), shownState(s.State),
		})
	}
	return rows
}

// shownWord is a state in words.
func shownWord(state string) string { return strings.ReplaceAll(state, "_", " ") }

// shownState is a state in words, in capitals where somebody has to look at it.
func shownState(state string) string {
	text := shownWord(state)
	if !control.State(state).Well() {
		return strings.ToUpper(text)
	}
	return text
}

// explainReaction says what is wrong with a reaction and how to mend it.
func explainReaction(b *strings.Builder, program string, s Reaction) {
	switch s.State {
	case string(control.Failing):
		fmt.Fprintf(b, "\nThe reaction %q FAILS at the event behind place %d since %s, and tries on: %s\n",
			s.Reaction, s.Position.Place(), s.FailingSince.UTC().Format(time.RFC3339), s.Error)
	case Stalled:
		fmt.Fprintf(b, "\nThe reaction %q is STALLED: %s. Is its service running?\n", s.Reaction, s.Reason)
	case heldBack:
		fmt.Fprintf(b, "\nThe reaction %q is HELD BACK: %s\n", s.Reaction, s.Reason)
	case foreign:
		fmt.Fprintf(b, "\nThe reaction %q stands in another log, or in one from before a restore: start its service again.\n", s.Reaction)
	}
	if s.DeadLetters > 0 {
		fmt.Fprintf(b, "\nOf the reaction %q %d events could not be handled: `%s deadletters list` shows why.\n", s.Reaction, s.DeadLetters, program)
	}
}
