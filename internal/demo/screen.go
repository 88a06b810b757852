package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The screen fits a terminal of this size.
const (
	screenColumns = 100
	screenRows    = 30
)

// row is one line of one of the screen's tables.
type row struct {
	name     string
	rows     int64
	position int64
	lag      int64
	rate     float64
	state    string
}

// frame is what the screen shows at one moment.
type frame struct {
	elapsed, of time.Duration
	events      int64
	eventRate   float64
	commands    int64
	commandRate float64
	position    string
	blocker     string
	services    []row // rows are commands
	views       []row
	cold        []row
	addresses   [][2]string
	notes       []string
}

// screen draws a frame in at most 30 lines of at most 100 columns.
func (f *frame) screen() []string {
	lines := []string{fit("Readside demo  " + f.summary()), ""}
	lines = append(lines, fmt.Sprintf("%-16s%12s%12s", "SERVICE", "COMMANDS", "COMMANDS/S"))
	for _, s := range f.services {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-16s%12s%12s  %s", s.name, thousands(s.rows), thousands(int64(s.rate)), s.state), " "))
	}
	lines = append(lines, "")
	lines = append(lines, table("VIEW (Postgres)", f.views)...)
	lines = append(lines, "")
	lines = append(lines, table("FACT (ClickHouse)", f.cold)...)
	lines = append(lines, "")
	for _, a := range f.addresses {
		lines = append(lines, fit(fmt.Sprintf("%-12s%s", a[0], a[1])))
	}
	notes := f.notes
	if f.blocker != "" {
		notes = append([]string{"the log is held back by " + f.blocker}, notes...)
	}
	for _, n := range notes {
		if len(lines) < screenRows-1 {
			lines = append(lines, fit(n))
		}
	}
	return lines[:min(len(lines), screenRows-1)]
}

func table(head string, rows []row) []string {
	lines := []string{fmt.Sprintf("%-20s%10s%12s%10s%12s  %s", head, "ROWS", "POSITION", "LAG", "EVENTS/S", "STATE")}
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("%-20s%10s%12s%10s%12s  %s", r.name, thousands(r.rows), thousands(r.position),
			thousands(r.lag), thousands(int64(r.rate)), r.state))
	}
	if len(rows) == 0 {
		lines = append(lines, "  being built")
	}
	return lines
}

// summary is one line that says the most.
func (f *frame) summary() string {
	of := ""
	if f.of > 0 {
		of = " of " + clock(f.of)
		if f.elapsed > f.of {
			of = ", orders come to rest"
		}
	}
	return fmt.Sprintf("%s%s  commands %s (%s/s)  events %s (%s/s)", clock(f.elapsed), of,
		thousands(f.commands), thousands(int64(f.commandRate)), thousands(f.events), thousands(int64(f.eventRate)))
}

// line is a frame where nothing can be redrawn.
func (f *frame) line() string {
	lag := func(rows []row) (most int64) {
		for _, r := range rows {
			most = max(most, r.lag)
		}
		return most
	}
	text := fmt.Sprintf("%s  lag: views %s, facts %s", f.summary(), thousands(lag(f.views)), thousands(lag(f.cold)))
	for _, r := range slices.Concat(f.views, f.cold) {
		if r.state != "live" && r.state != "catching_up" {
			text += fmt.Sprintf("  %s %s", r.name, strings.ToUpper(r.state))
		}
	}
	if f.blocker != "" {
		text += "  held back by " + f.blocker
	}
	return text
}

func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

// fit cuts a line to the screen's width.
func fit(line string) string {
	if runes := []rune(line); len(runes) > screenColumns {
		return string(runes[:screenColumns-1]) + "…"
	}
	return line
}

// thousands writes a number with commas: 1,234,567.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
