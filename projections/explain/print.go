package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Print prints a story for people.
func (s *Story) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n  version %d, generation %d (%s), projector %s, up to place %d\n",
		s.View, s.Key, s.Version, s.Generation, s.Table, s.Projector, s.Position.Place())
	if s.Omitted > 0 {
		fmt.Fprintf(&b, "\n%d earlier events are not told.\n", s.Omitted)
	}
	for i := range s.Steps {
		s.Steps[i].print(&b)
	}
	b.WriteByte('\n')
	s.printEnd(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Step) print(b *strings.Builder) {
	fmt.Fprintf(b, "\n%d  %s  %s  in %s\n", s.Place, s.Time.UTC().Format(time.RFC3339Nano), s.Type, s.Stream)
	for _, t := range s.Through {
		fmt.Fprintf(b, "  through %s %s (%s)\n", t.View, t.Key, t.Join)
	}
	for _, h := range s.Held {
		h.print(b)
	}
	if s.To != "" {
		fmt.Fprintf(b, "  the row was %s and is %s\n", s.From, s.To)
	}
	width := 0
	for _, c := range s.Changes {
		width = max(width, len(c.Column))
	}
	for _, c := range s.Changes {
		if s.From == "absent" {
			fmt.Fprintf(b, "  %-*s  %s%s\n", width, c.Column, short(c.New), from(c.Joined))
			continue
		}
		was, is := shortPair(c.Old, c.New)
		fmt.Fprintf(b, "  %-*s  %s → %s%s\n", width, c.Column, was, is, from(c.Joined))
	}
	if len(s.Changes) == 0 && len(s.Held) == 0 && s.To == "" {
		b.WriteString("  changes nothing\n")
	}
}

func (h *Held) print(b *strings.Builder) {
	what := map[string]string{
		"parked": "PARKED", "queued": "QUEUED behind a parked event", "discarded": "DISCARDED by an operator",
		stateFault: "CANNOT BE FOLDED by these handlers",
	}[h.State]
	row := h.View + " " + h.Key
	if h.Key == "" {
		row = "view " + h.View + ", its row cannot be read"
	}
	fmt.Fprintf(b, "  %s (%s)\n", what, row)
	for _, part := range [][2]string{{"reason", h.Reason}, {"error", h.Error}, {"hint", h.Hint}} {
		if part[1] != "" {
			fmt.Fprintf(b, "    %-6s  %s\n", part[0], part[1])
		}
	}
}

// joinedShown bounds the rows that one column is said to come from.
const joinedShown = 3

func from(joined []Joined) string {
	if len(joined) == 0 {
		return ""
	}
	var parts []string
	for _, j := range joined[:min(joinedShown, len(joined))] {
		parts = append(parts, fmt.Sprintf("%s %s of place %d", j.View, j.Key, j.Place))
	}
	if more := len(joined) - joinedShown; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return "  (from " + strings.Join(parts, ", ") + ")"
}

func (s *Story) printEnd(b *strings.Builder) {
	if s.Equal {
		fmt.Fprintf(b, "The stored row is what these events give: it is %s.\n", s.State)
		return
	}
	b.WriteString("The stored row is NOT what these events give:\n")
	for _, d := range s.Differences {
		folded, stored := shortPair(d.Folded, d.Stored)
		fmt.Fprintf(b, "  %s: the events give %s, stored is %s\n", d.Column, folded, stored)
	}
	fmt.Fprintf(b, "`verify %s` compares all rows; `rebuild %s` mends them, with --key this one.\n", s.View, s.View)
}

// valueMax is how much of a value is shown to people.
const valueMax = 120

// shortPair are two values, short. Of long ones what both begin with is left out, but
// for its end: the difference is what is to be seen.
func shortPair(one, other json.RawMessage) (string, string) {
	const before = 20
	same := 0
	for same < min(len(one), len(other)) && one[same] == other[same] {
		same++
	}
	cut := same - before
	if max(len(one), len(other)) <= valueMax || cut <= 0 {
		return short(one), short(other)
	}
	for cut > 0 && !utf8.RuneStart(one[cut]) {
		cut--
	}
	return "…" + short(one[cut:]), "…" + short(other[cut:])
}

func short(v json.RawMessage) string {
	if len(v) <= valueMax {
		return string(v)
	}
	cut := v[:valueMax]
	for !utf8.Valid(cut) {
		cut = slices.Delete(cut, len(cut)-1, len(cut))
	}
	return string(cut) + "…"
}
