package demo

import (
	"slices"
	"strings"
	"sync"
)

// notesKept is how many of the last lines logged the demo's screen shows.
const notesKept = 2

// notes keeps the last lines of a log, for a screen that lines would spoil.
type notes struct {
	mu    sync.Mutex
	lines []string
}

// Write takes one line, as slog's handlers write them.
func (n *notes) Write(line []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, strings.TrimSuffix(string(line), "\n"))
	n.lines = n.lines[max(0, len(n.lines)-notesKept):]
	return len(line), nil
}

func (n *notes) last() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}
