package demo

import (
	"io"
	"strings"
	"time"
)

// display shows frames: redrawn on a terminal, as lines elsewhere.
type display struct {
	out      io.Writer
	terminal bool
	drawn    bool
}

// every is how often a frame is worth showing.
func (d *display) every() time.Duration {
	if d.terminal {
		return redrawEvery
	}
	return lineEvery
}

// show draws over the frame before, in one write, so that nothing flickers.
func (d *display) show(f *frame) {
	if !d.terminal {
		_, _ = io.WriteString(d.out, f.line()+"\n")
		return
	}
	const home, clearAll, toEndOfLine, toEndOfScreen = "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[J"
	var b strings.Builder
	if !d.drawn {
		b.WriteString(clearAll)
		d.drawn = true
	}
	b.WriteString(home)
	for _, line := range f.screen() {
		b.WriteString(line + toEndOfLine + "\n")
	}
	b.WriteString(toEndOfScreen)
	_, _ = io.WriteString(d.out, b.String())
}
