package replay

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/replay/finished"
	"github.com/readside/readside/internal/replay/reading"
	"github.com/readside/readside/internal/replay/waiting"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/progress"
)

// Config says what to fold, how far, and with how much memory.
type Config struct {
	Log *eventlog.Log
	Set *projections.Set
	// Until is the place to fold up to; it must be settled, as a checkpoint is.
	Until eventlog.Position
	// Views are the views to hand out; none means all. Their sources are folded too.
	Views []string

	// Budget is how many bytes of rows, sources and buffers are held in memory, by
	// estimate; 0 means 256 MiB.
	Budget int64
	// Slices is how many parts each view is folded in, a power of two: what Slices
	// answered. 0 means as many as suit the budget if the log holds a GiB.
	Slices int
	// PageEvents is how many events are read at a time; 0 lets their size decide.
	PageEvents int
	// Dir is where slices that do not fit go; empty means the system's folder for
	// temporary files.
	Dir string

	// Skip says which touches are not folded: those that are parked or discarded. The
	// key is empty where the event has none that can be read. nil skips none.
	Skip func(view *projections.Model, key, stream string, place int64) bool
	// Keep says which rows are handed out; nil means all. Sources are folded whole.
	Keep func(view *projections.Model, key string) bool
	// Done says which slices are not wanted any more; their rows are found through
	// Sources. nil means none.
	Done func(view *projections.Model, slice int) bool
	// Sources answers for rows of sources that are not held in memory; nil holds all.
	Sources Sources
	// Faults takes what cannot be folded, and what waits behind it; nil ends the replay
	// with the first *projections.FoldError, and an error of its own does too. A build
	// that continues reports again the events whose rows are not known.
	Faults func(Waiting) error
	// Joinless says of which rows the joins may fail: their joined columns stay empty then,
	// and Row.Joinless says so. nil means of none.
	Joinless func(view *projections.Model, key string) bool
	// Rate bounds the events read per second; nil does not.
	Rate *rate.Limiter
	// Progress, unless nil, is told how far the replay is: after every page read and
	// every slice handed out, by one goroutine at a time.
	Progress func(progress.Fold)
}

// Sources finds finished rows of a view by key: those that live, whole, as its row
// type. The sink got all of them before. It is called beside the sink, so that it
// needs a connection of its own.
type Sources interface {
	Load(ctx context.Context, source *projections.Model, keys []string) (map[string]any, error)
}

// What a replay hands out.
type (
	// Waiting is a touch that was not folded.
	Waiting = waiting.Touch
	// Row is a finished row.
	Row = finished.Row
	// Slice is one part of a view, finished.
	Slice = finished.Slice
)

// DefaultBudget is the Budget of a Config that names none.
const DefaultBudget = 256 << 20

const (
	budgetMin  = 1 << 20
	logDefault = 1 << 30
	slicesMin  = 8
	// Up to slicesFine, slices are of about sliceBytes of log, so that the first is soon
	// handed out and the last is soon written.
	slicesFine = 32
	sliceBytes = 4 << 20
	slicesMax  = 4096
)

// Slices is how many slices suit a log of so many bytes: each should take a small part
// of the budget, since two are in memory at a time when all are on disk. A view's rows
// seldom take more than the events that made them; a slice that is larger than
// expected takes more memory, and nothing else.
func Slices(logBytes, budget int64) int {
	if budget <= 0 {
		budget = DefaultBudget
	}
	want := max(logBytes/max(1, budget/8), min(slicesFine, logBytes/sliceBytes))
	return min(slicesMax, max(slicesMin, 1<<bits.Len64(uint64(max(0, want-1)))))
}

func (c *Config) complete() error {
	if c.Budget == 0 {
		c.Budget = DefaultBudget
	}
	if c.Slices == 0 {
		c.Slices = Slices(logDefault, c.Budget)
	}
	var errs []error
	if c.Log == nil || c.Set == nil {
		errs = append(errs, errors.New("a Log and a Set must be given"))
	}
	if c.Budget < budgetMin {
		errs = append(errs, fmt.Errorf("a Budget of %d bytes is below the least, %d", c.Budget, budgetMin))
	}
	if c.Slices < 1 || c.Slices > slicesMax || bits.OnesCount(uint(c.Slices)) != 1 {
		errs = append(errs, fmt.Errorf("%d Slices: it is a power of two, at most %d", c.Slices, slicesMax))
	}
	if c.Done != nil && c.Sources == nil {
		errs = append(errs, errors.New("with Done there must be Sources, which know the rows of the slices that are done"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	for _, name := range c.Views {
		if c.Set.View(name) == nil {
			return fmt.Errorf("replay: there is no view %q", name)
		}
	}
	// One view is folded from fewer types of events than all.
	if len(c.Views) == 1 {
		c.Set = c.Set.With(c.Set.View(c.Views[0]))
	}
	return nil
}

// wanted says of each view whether its rows are handed out.
func (c *Config) wanted(m *projections.Model) bool {
	return len(c.Views) == 0 || slices.Contains(c.Views, m.Name)
}

// The budget's parts. Rows and the sources kept for joins share the largest; the rest
// goes to the pages on their way, the slice that is finished and those that wait for the
// sink, the memory of slices that were let go, and what waits to be written to disk.
func (c *Config) rowBytes() int64 { return c.Budget / 2 }

func (c *Config) arenaBytes() int { return int(min(c.Budget/8, arenaMax)) }

func (c *Config) aheadBytes() int64 { return c.Budget / 8 }

// arenaMax is what a record's place in memory can be told with.
const arenaMax = 1 << 30

// pageBytes is what one page may take.
func (c *Config) pageBytes() int64 { return c.Budget / (8 * reading.PagesAtOnce) }
