package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/readside/readside/projections/operate/rebuild"
	"github.com/readside/readside/projections/progress"
)

// ProgressBar shows how far a replay is: drawn over on a terminal, as lines that come
// seldom elsewhere. It belongs to one goroutine at a time.
type ProgressBar struct {
	out      io.Writer
	terminal bool
	now      func() time.Time
	began    time.Time
	shown    time.Time
	drawn    bool
}

// How often it is shown.
const (
	barEvery     = 100 * time.Millisecond
	barLineEvery = 10 * time.Second
	barCells     = 30
)

func NewProgressBar(out io.Writer) *ProgressBar {
	return &ProgressBar{out: out, terminal: IsTerminal(out), now: time.Now, began: time.Now(), shown: time.Now()}
}

// Replayed is told how far the replay is.
func (b *ProgressBar) Replayed(p progress.Fold) {
	share, text := progressText(p)
	if p.Phase == progress.Reading {
		text += b.rate(p.Events)
	}
	b.show(share, text)
}

// Rebuilt is told how far a rebuild is.
func (b *ProgressBar) Rebuilt(p rebuild.Progress) {
	if p.Phase == rebuild.PhaseFolding {
		b.Replayed(p.Replay)
		return
	}
	share := 1.0
	if until := p.Until.Place(); until > 0 {
		share = float64(p.At.Place()) / float64(until)
	}
	b.show(share, fmt.Sprintf("%s, at place %d of %d", p.Phase, p.At.Place(), p.Until.Place()))
}

// rate is how many events a second were read since the bar began.
func (b *ProgressBar) rate(events int64) string {
	if seconds := b.now().Sub(b.began).Seconds(); seconds > 0 {
		return fmt.Sprintf(", %.0f/s", float64(events)/seconds)
	}
	return ""
}

// show shows how far it is, and how long the rest takes if it goes on like this.
func (b *ProgressBar) show(share float64, text string) {
	every := barLineEvery
	if b.terminal {
		every = barEvery
	}
	if b.now().Sub(b.shown) < every {
		return
	}
	b.shown = b.now()
	if share > 0 && share < 1 {
		gone := b.now().Sub(b.began)
		text += fmt.Sprintf(", %s left", time.Duration(float64(gone)*(1-share)/share).Round(time.Second))
	}
	if !b.terminal {
		fmt.Fprintf(b.out, "%3.0f %% %s\n", 100*share, text)
		return
	}
	full := int(share * barCells)
	const toEndOfLine = "\x1b[K"
	fmt.Fprintf(b.out, "\r[%s%s] %3.0f %% %s%s", strings.Repeat("#", full), strings.Repeat(".", barCells-full), 100*share, text, toEndOfLine)
	b.drawn = true
}

// progressText says it in words. Reading the log counts for half of the way.
func progressText(p progress.Fold) (share float64, text string) {
	share, text = 0.5, fmt.Sprintf("%s: %d rows", p.View, p.Rows)
	if p.Phase == progress.Reading {
		share, text = 0, fmt.Sprintf("%d events read, at place %d of %d", p.Events, p.Place, p.Until)
		if p.Until > 0 {
			share = float64(p.Place) / float64(p.Until) / 2
		}
	} else if p.Parts > 0 {
		share += float64(p.HandedOut) / float64(p.Parts) / 2
	}
	if p.Spilled > 0 {
		text += fmt.Sprintf(", %d MB on disk", p.Spilled>>20)
	}
	return share, text
}

// End takes the bar away from the terminal.
func (b *ProgressBar) End() {
	if b.drawn {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
