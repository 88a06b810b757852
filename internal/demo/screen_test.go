package demo

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// crowded is a frame with as much as there can ever be.
func crowded() *frame {
	f := &frame{
		elapsed: 99 * time.Hour, of: 99 * time.Hour, events: math.MaxInt32, commands: math.MaxInt32, eventRate: 1e6, commandRate: 1e6,
		blocker: strings.Repeat("x", 300),
		notes:   []string{strings.Repeat("ü", 300), "another"},
	}
	for _, name := range services {
		f.services = append(f.services, row{name: name, rows: math.MaxInt32, rate: 1e6})
	}
	full := row{name: "a_name_of_20_letters", rows: 99_999_999, position: 999_999_999, lag: 99_999_999, rate: 1e8, state: "catching_up"}
	for range 6 {
		f.views = append(f.views, full)
	}
	for range 4 {
		f.cold = append(f.cold, full)
	}
	for range 5 {
		f.addresses = append(f.addresses, [2]string{"GraphQL", "http://127.0.0.1:8080/graphql " + strings.Repeat("y", 200)})
	}
	return f
}

func TestTheScreenFits(t *testing.T) {
	lines := crowded().screen()
	if len(lines) >= screenRows {
		t.Errorf("%d lines and the cursor's do not fit on %d", len(lines), screenRows)
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > screenColumns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"identity", "payment", "VIEW", "FACT", "GraphQL", "held back by"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on\n%s", want, text)
		}
	}
}

func TestTheScreenBeforeTheFirstView(t *testing.T) {
	if text := strings.Join((&frame{}).screen(), "\n"); !strings.Contains(text, "being built") {
		t.Error(text)
	}
}

func TestALineNamesWhatIsNotWell(t *testing.T) {
	f := crowded()
	f.views[3] = row{name: "order", lag: 7, state: "halted"}
	f.blocker = "process 7"
	for _, want := range []string{"order HALTED", "held back by process 7", "lag: views 99,999,999"} {
		if line := f.line(); !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
}

func TestATerminalIsRedrawnInOneWrite(t *testing.T) {
	var w counter
	d := display{out: &w, terminal: true}
	d.show(crowded())
	d.show(crowded())
	if w.writes != 2 || strings.Count(w.String(), "\x1b[2J") != 1 || strings.Count(w.String(), "\x1b[H") != 2 {
		t.Errorf("%d writes, %d clears", w.writes, strings.Count(w.String(), "\x1b[2J"))
	}
}

// counter counts the writes.
type counter struct {
	text   strings.Builder
	writes int
}

func (c *counter) String() string { return c.text.String() }

func (c *counter) Write(p []byte) (int, error) {
	c.writes++
	return c.text.Write(p)
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
