package command

import (
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
)

// touching is a reaction of which only what it touches matters.
type touching struct {
	Reaction
	what []string
}

func (r touching) Touches() []string { return r.what }

func TestReactionsThatTouchTheSameAreTakenApart(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reactions string // each word is a reaction, each letter what it touches
		want      int
	}{
		{"a", 1}, {"a b c", 3}, {"a a", 1}, {"a b a", 2}, {"ab cd bc", 2}, {"ab cd ef", 3}, {"aa b", 2},
	} {
		var list []staged
		for _, word := range strings.Fields(tc.reactions) {
			list = append(list, staged{reaction: touching{what: strings.Split(word, "")}})
		}
		if got := apart(list); got != tc.want {
			t.Errorf("%q: %d together, want %d", tc.reactions, got, tc.want)
		}
	}
}

func TestReactionsNeedTogether(t *testing.T) {
	t.Parallel()
	err := new(Executor).Within(t.Context(), eventlog.Event{Type: "x"}, touching{})
	if err == nil || !strings.Contains(err.Error(), "Config.Around") {
		t.Errorf("%v does not say what is missing", err)
	}
}
