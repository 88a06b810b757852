package status

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/readside/readside/internal/table"
)

// Print prints a report for people, who run the commands of a program; its tables fit into
// 120 columns.
func Print(w io.Writer, program string, r *Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "log  %d events at most, position %s\n", r.Log.Position.Place(), r.Log.Position)
	if holder := r.HeldBack(); holder != "" {
		fmt.Fprintf(&b, "     HELD BACK by %s\n", holder)
	}
	views := [][]string{{"VIEW", "VER", "GEN", "PROJECTOR", "POSITION", "LAG", "AGE", "EVENTS/S", "LEFT", "STATE"}}
	for _, v := range r.Views {
		views = append(views, append([]string{cut(v.View), strconv.Itoa(v.Version), strconv.Itoa(v.Generation), cut(v.Projector)}, v.cells(v.Parked)...))
	}
	cold := [][]string{{"COLD TABLE", "GEN", "ROWS", "POSITION", "LAG", "AGE", "EVENTS/S", "LEFT", "STATE"}}
	for _, t := range r.Cold {
		cold = append(cold, append([]string{cut(t.Fact), strconv.Itoa(t.Generation), strconv.FormatInt(t.Rows, 10)}, t.cells(t.Parked)...))
	}
	workers := [][]string{{"PROJECTOR", "KIND", "OWNER", "LEASE LEFT", "MOVED", "STATE"}}
	for _, p := range r.Projectors {
		workers = append(workers, p.cells(r.At))
	}
	section(&b, views, "no view has a table yet: run `"+program+" project`")
	section(&b, cold, "no cold table yet: run `"+program+" project`")
	if len(r.Projectors) > 0 {
		section(&b, workers, "")
	}
	if len(r.Reactions) > 0 {
		section(&b, reactionRows(r.Reactions), "")
	}
	if rows := verifiedRows(r); len(rows) > 1 {
		section(&b, rows, "")
	}
	for _, v := range r.Views {
		explainVerified(&b, program, v.Verified)
	}
	for _, t := range r.Cold {
		explainVerified(&b, program, t.Verified)
	}
	for _, s := range r.Reactions {
		explainReaction(&b, program, s)
	}
	for _, p := range r.Projectors {
		p.explain(&b, program, r.At)
	}
	for _, s := range r.Stores {
		if s.Error != "" {
			fmt.Fprintf(&b, "\n%s: %s\n", s.Name, s.Error)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	lineMax = 120
	nameMax = 20
)

// cut keeps a name's beginning and end: a projector's definitions and rebuilt view
// stand at its end.
func cut(name string) string {
	runes := []rune(name)
	if len(runes) <= nameMax {
		return name
	}
	const tail = 13
	return string(runes[:nameMax-tail-1]) + "…" + string(runes[len(runes)-tail:])
}

// numbers are the heads of the columns that hold numbers and durations.
var numbers = []string{"VER", "GEN", "POSITION", "LAG", "AGE", "EVENTS/S", "LEFT", "ROWS", "LEASE LEFT", "MOVED", "DEAD LETTERS", "LAST EQUAL", "TURN"}

func section(b *strings.Builder, rows [][]string, none string) {
	b.WriteByte('\n')
	if len(rows) == 1 {
		b.WriteString(none + "\n")
		return
	}
	var aligned strings.Builder
	_ = table.Print(&aligned, rows, numbers...) // into memory
	for line := range strings.Lines(aligned.String()) {
		if utf8.RuneCountInString(line) > lineMax+1 {
			line = string([]rune(line)[:lineMax-1]) + "…\n"
		}
		b.WriteString(line)
	}
}

const unknown = "-"

// cells are a view's or a cold table's progress; parked is how many events wait in it.
func (p Progress) cells(parked int64) []string {
	rate, left := unknown, unknown
	if p.EventsPerSecond != nil {
		rate = strconv.FormatFloat(*p.EventsPerSecond, 'f', 0, 64)
	}
	if p.LeftSeconds != nil {
		left = seconds(*p.LeftSeconds)
	}
	state := p.shown()
	if parked > 0 {
		state += fmt.Sprintf(", parked %d", parked)
	}
	return []string{strconv.FormatInt(p.Position.Place(), 10), strconv.FormatInt(p.LagEvents, 10), seconds(p.LagSeconds), rate, left, state}
}

func (p Projector) cells(at time.Time) []string {
	owner, lease := "nobody", unknown
	switch {
	case p.Owner != nil:
		owner, lease = cut(p.Owner.Host)+":"+strconv.Itoa(p.Owner.Process), seconds(p.Owner.LeaseLeftSeconds)
	case p.Kind == "cold":
		owner = unknown // it holds a lock, which names nobody
	}
	return []string{cut(p.Name), p.Kind, owner, lease, seconds(at.Sub(p.UpdatedAt).Seconds()) + " ago", p.shown()}
}

// shown is the state, in capitals where somebody has to look at it.
func (p Progress) shown() string {
	state := shownState(p.State)
	if p.BuiltPercent != nil {
		if p.State != building {
			state += ", built"
		}
		state += fmt.Sprintf(" %d %%", *p.BuiltPercent)
	}
	return state
}

// seconds writes a duration in its two largest units: 3d4h, 2m5s, 1.2s.
func seconds(s float64) string {
	d := time.Duration(max(0, s) * float64(time.Second))
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return d.Round(100 * time.Millisecond).String()
}

// explain says what is wrong with a projector and how to mend it.
func (p Projector) explain(b *strings.Builder, program string, at time.Time) {
	switch p.State {
	case halted:
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
		fmt.Fprintf(b, "\nThe %s projector %q is STALLED: %s. It has not moved for %s: is `%s project` running?\n",
			p.Kind, p.Name, p.Reason, seconds(at.Sub(p.UpdatedAt).Seconds()), program)
	case heldBack:
		fmt.Fprintf(b, "\nThe %s projector %q is HELD BACK: %s\n", p.Kind, p.Name, p.Reason)
	case foreign:
		fmt.Fprintf(b, "\nThe %s projector %q stands in another log, or in one from before a restore: drop its rows and project again.\n", p.Kind, p.Name)
	}
}
