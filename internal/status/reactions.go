package status

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/readside/readside/eventlog/reaction"
)

func reactionRows(all []reaction.Status) [][]string {
	rows := [][]string{{"REACTION", "SCHEMA", "POSITION", "LAG", "DEAD LETTERS", "STATE"}}
	for _, s := range all {
		state := strings.ReplaceAll(s.State, "_", " ")
		switch s.State {
		case reaction.StateFailing, reaction.StateStalled, reaction.StateForeign:
			state = strings.ToUpper(state)
		}
		rows = append(rows, []string{
			cut(s.Reaction), cut(s.Schema), strconv.FormatInt(s.Position.Place(), 10), strconv.FormatInt(s.LagEvents, 10),
			strconv.FormatInt(s.DeadLetters, 10), state,
		})
	}
	return rows
}

// explainReaction says what is wrong with a reaction and how to mend it.
func explainReaction(b *strings.Builder, s reaction.Status) {
	switch s.State {
	case reaction.StateFailing:
		fmt.Fprintf(b, "\nThe reaction %q FAILS at the event behind place %d since %s, and tries on: %s\n",
			s.Reaction, s.Position.Place(), s.FailingSince.UTC().Format(time.RFC3339), s.Error)
	case reaction.StateStalled:
		fmt.Fprintf(b, "\nNobody runs the reaction %q: is its service running?\n", s.Reaction)
	case reaction.StateForeign:
		fmt.Fprintf(b, "\nThe reaction %q stands in another log, or in one from before a restore: start its service again.\n", s.Reaction)
	}
	if s.DeadLetters > 0 {
		fmt.Fprintf(b, "\nOf the reaction %q %d events could not be handled: `readside deadletters list` shows why.\n", s.Reaction, s.DeadLetters)
	}
}
