package status

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Print prints a report for people.
func Print(w io.Writer, r *Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "log  %d events at most, position %s\n", r.Log.Position.Place(), r.Log.Position)
	if r.Log.Blocker != "" {
		fmt.Fprintf(&b, "     HELD BACK by %s\n", r.Log.Blocker)
	}
	views := [][]string{{"VIEW", "VERSION", "GENERATION", "POSITION", "LAG EVENTS", "LAG", "EVENTS/S", "STATE", "MOVED"}}
	for _, v := range r.Views {
		views = append(views, append([]string{v.View, strconv.Itoa(v.Version), strconv.Itoa(v.Generation)}, v.cells(r.At)...))
	}
	cold := [][]string{{"COLD TABLE", "GENERATION", "ROWS", "POSITION", "LAG EVENTS", "LAG", "EVENTS/S", "STATE", "MOVED"}}
	for _, t := range r.Cold {
		cold = append(cold, append([]string{t.Fact, strconv.Itoa(t.Generation), strconv.FormatInt(t.Rows, 10)}, t.cells(r.At)...))
	}
	section(&b, views, "no view has a table yet: run `readside project`")
	section(&b, cold, "no cold table yet: run `readside project`")
	for _, p := range r.Projectors {
		p.explain(&b, r.At)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func section(b *strings.Builder, rows [][]string, none string) {
	b.WriteByte('\n')
	if len(rows) == 1 {
		b.WriteString(none + "\n")
		return
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // into memory
}

func (p Progress) cells(at time.Time) []string {
	rate := "-"
	if p.EventsPerSecond != nil {
		rate = strconv.FormatFloat(*p.EventsPerSecond, 'f', 0, 64)
	}
	return []string{
		strconv.FormatInt(p.Position.Place(), 10), strconv.FormatInt(p.LagEvents, 10),
		seconds(p.LagSeconds), rate, shown(p.State), seconds(at.Sub(p.UpdatedAt).Seconds()) + " ago",
	}
}

// shown writes the states that somebody has to look at in capitals.
func shown(state string) string {
	switch state {
	case "halted", "foreign", Stalled:
		return strings.ToUpper(state)
	}
	return state
}

func seconds(s float64) string {
	return time.Duration(max(0, s) * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// explain says what is wrong with a projector and how to mend it.
func (p Projector) explain(b *strings.Builder, at time.Time) {
	switch p.State {
	case "halted":
		fmt.Fprintf(b, "\nThe %s projector %q HALTED", p.Kind, p.Name)
		if f := p.Fault; f != nil {
			for _, part := range [][2]string{{"view", f.View}, {"table", f.Table}, {"key", f.Key}, {"position", f.Position}, {"type", f.Type}, {"stream", f.Stream}, {"error", f.Error}, {"hint", f.Hint}} {
				if part[1] != "" {
					fmt.Fprintf(b, "\n  %-9s %s", part[0], part[1])
				}
			}
		}
		b.WriteByte('\n')
	case Stalled:
		fmt.Fprintf(b, "\nThe %s projector %q is behind and has not moved for %s: is `readside project` running?\n",
			p.Kind, p.Name, seconds(at.Sub(p.UpdatedAt).Seconds()))
	case "foreign":
		fmt.Fprintf(b, "\nThe %s projector %q stands in another log, or in one from before a restore: drop its rows and project again.\n", p.Kind, p.Name)
	}
}
