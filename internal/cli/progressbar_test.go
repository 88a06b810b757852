package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/projections/progress"
)

// On a terminal the bar is drawn over and taken away; elsewhere there are few lines.
func TestProgressIsABarOnATerminalAndLinesElsewhere(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{true, false} {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		b := &ProgressBar{out: &out, terminal: terminal, now: func() time.Time { return now }, began: now, shown: now}
		steps := []progress.Fold{
			{Phase: progress.Reading, Place: 50, Until: 100, Events: 40},
			{Phase: progress.Reading, Place: 100, Until: 100, Events: 80, Spilled: 5 << 20},
			{Phase: progress.Rows, View: "order", Place: 100, Until: 100, HandedOut: 8, Parts: 16, Rows: 1234},
			{Phase: progress.Rows, View: "order", Place: 100, Until: 100, HandedOut: 16, Parts: 16, Rows: 2468},
		}
		for _, p := range steps {
			now = now.Add(6 * time.Second)
			b.Replayed(p)
		}
		b.End()
		got := out.String()
		if terminal {
			for _, want := range []string{"[#######.......................]  25 % 40 events read, at place 50 of 100", "75 % order: 1234 rows", "100 % order: 2468 rows", "5 MB on disk"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %q", want, got)
				}
			}
			if strings.Contains(got, "\n") || !strings.HasSuffix(got, "\r\x1b[K") {
				t.Errorf("the bar stays on the terminal: %q", got)
			}
			continue
		}
		if want := " 50 % 80 events read, at place 100 of 100, 5 MB on disk, 7/s, 12s left\n100 % order: 2468 rows\n"; got != want {
			t.Errorf("the lines are %q, not %q", got, want)
		}
	}
}
