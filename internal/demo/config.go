package demo

import (
	"io"
	"time"

	"github.com/readside/readside/internal/stack"
)

// Config says what a demo runs on, and where it shows it.
type Config struct {
	// Stack is everything that runs. The demo says what it has to say by itself.
	Stack stack.Config
	// Accepted returns how many commands each of the services has accepted.
	Accepted func() map[string]int64
	// For is how long commands are sent; 0 means until the context ends.
	For time.Duration
	// Seed makes the load's commands alike from run to run.
	Seed uint64
	// Out gets what people read. Terminal says that it can be redrawn.
	Out      io.Writer
	Terminal bool
	// Notes, unless nil, returns the last lines that were logged, for the screen.
	Notes func() []string
}

// Bounds of the demo's waits.
const (
	startWait  = 60 * time.Second
	caughtWait = 60 * time.Second
	finishWait = 2 * time.Minute
)

// redrawEvery is how often a terminal is redrawn, lineEvery how often a line is printed
// where there is none.
const (
	redrawEvery = 500 * time.Millisecond
	lineEvery   = 2 * time.Second
)
