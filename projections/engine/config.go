package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/internal/batch"
	"github.com/readside/readside/projections/replay"
	"github.com/readside/readside/projections/watch"
	"github.com/readside/readside/projections/watch/rows"
)

// Config is what a projector folds and where.
type Config struct {
	// Application is the one that the database belongs to; every other database is refused.
	Application string
	// Name is the first half of the projector's name; ProjectorName makes the whole of it.
	// Default "main".
	Name string
	// Log is what it reads.
	Log *eventlog.Log
	// Postgres is where it writes, as the role readside_projector; the log's database.
	Postgres *pgx.ConnConfig
	// Set is what it folds.
	Set *projections.Set
	// BatchEvents bounds the events of one transaction. Default 10,000.
	BatchEvents int
	// CacheBytes bounds the memory of the rows that the owner keeps for the batches to
	// come. Default 128 MiB; negative keeps none.
	CacheBytes int
	// LeaseTTL is how long the owner may be silent before another worker takes over.
	// Default 5 s.
	LeaseTTL time.Duration
	// KeepFormer is how long the views of former definitions stay after their last worker
	// has ended, for a rollback. Default 24 h; negative drops them at once.
	KeepFormer time.Duration
	// ParkedMax is how many events may be parked before the projector halts, those that
	// wait behind them not counted. Default 1,000; negative halts at the first.
	ParkedMax int
	// BuildAbove is how many places a log must have for a first build slice by slice;
	// shorter ones are folded batch by batch. Default 50,000; negative never.
	BuildAbove int
	// BuildBytes is the memory that such a build may use. Default a quarter of the process's
	// memory limit (GOMEMLIMIT), at most 1 GiB, and 256 MiB where there is no limit.
	BuildBytes int64
	// BuildDir is where it puts what does not fit. Default the system's.
	BuildDir string
	// BuildRate bounds the events that it reads per second. Default 20,000 while a
	// projector of other definitions serves readers, and no bound else; negative never.
	BuildRate int
	// WatchRate is how many events per second the lease holder reads to compare its views with
	// the log all the time; watch.Off compares nothing. Defaults to watch.Off.
	WatchRate watch.Rate
	// WatchBytes is the memory for the rows that are compared at a time. Defaults to 32 MiB.
	WatchBytes int64
	// Program names the build of the code that folds: a rebuild that was cut off is resumed
	// under the program that began it only. Default a hash of the executable.
	Program string
	// Logger gets what an operator wants to know. Default slog.Default().
	Logger *slog.Logger
	// Observer is told of every batch.
	Observer Observer
}

// Observer is told what a projector does; nil functions are left out. They are
// called from the projector's own goroutine and must not block.
type Observer struct {
	// Folded is called after every committed batch.
	Folded func(Folded)
	// Building is called as a first build goes on.
	Building func(replay.Progress)
	// Parked is called for every event that was parked.
	Parked func(*projections.FoldError)
	// Halted is called when a fault halts the projector.
	Halted func(*projections.FoldError)
	// Interrupted is called when the infrastructure failed; the projector tries again.
	Interrupted func(error)
	// Compared is called for every slice of a view that was compared with the log, from a
	// goroutine of its own.
	Compared func(rows.Compared)
}

// Folded is a committed batch.
type Folded struct {
	// Position is the checkpoint now; Events is how many were folded.
	Position eventlog.Position
	Events   int
	// Took is the time of the whole transaction.
	Took time.Duration
	// Effort is what it came to.
	Effort Effort
}

// Effort is what a batch came to. It grows with the batch, never with the tables: where
// Fanned or Sources is large, a source that many rows join changes often.
type Effort struct {
	// Rows were written because an event concerns them.
	Rows int
	// Sources are the changes that joins of other rows had to look for, one for each join.
	Sources int
	// Fanned rows were written because a row that they join changed.
	Fanned int
	// Late is how many times an event met a deleted row, and changed nothing.
	Late int
	// Unborn is how many times an event changed a row that nobody sees, since no event has
	// created it by the end of the batch.
	Unborn int
}

const (
	maxBatchEvents    = 50_000 // what a page of the log holds at most
	defaultCacheBytes = 128 << 20

	defaultLeaseTTL   = 5 * time.Second
	minLeaseTTL       = 100 * time.Millisecond
	maxLeaseTTL       = 10 * time.Minute
	defaultKeepFormer = 24 * time.Hour
	defaultParkedMax  = 1_000
	defaultBuildAbove = 50_000
	defaultWatchBytes = 32 << 20
)

// Validate returns all faults of the configuration at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Log == nil {
		errs = append(errs, errors.New("the projector's Config has no Log: open one with eventlog.Open"))
	}
	if c.Set == nil || len(c.Set.Views()) == 0 {
		errs = append(errs, errors.New("the projector's Config has no views: make a Set with projections.NewSet"))
	}
	if c.Postgres == nil {
		errs = append(errs, errors.New("the projector's Config has no Postgres: parse a URL with pgx.ParseConfig"))
	}
	if c.BatchEvents < 0 || c.BatchEvents > maxBatchEvents {
		errs = append(errs, errors.New("BatchEvents is out of range: give 1 to 50,000, or 0 for the default"))
	}
	if c.LeaseTTL != 0 && (c.LeaseTTL < minLeaseTTL || c.LeaseTTL > maxLeaseTTL) {
		errs = append(errs, errors.New("LeaseTTL is out of range: give 100 ms to 10 minutes, or 0 for the default"))
	}
	if strings.ContainsAny(c.Name, "@+") {
		errs = append(errs, fmt.Errorf("the projector's Name %q has an @ or a +, which projectors' names are put together with: leave them out", c.Name))
	}
	return errors.Join(append(errs, application.ValidName(c.Application), c.WatchRate.Validate())...)
}

// WithDefaults returns the configuration with every default in the place of what is not set.
func (c Config) WithDefaults() Config {
	if c.LeaseTTL == 0 {
		c.LeaseTTL = defaultLeaseTTL
	}
	if c.BuildAbove == 0 {
		c.BuildAbove = defaultBuildAbove
	}
	if c.ParkedMax == 0 {
		c.ParkedMax = defaultParkedMax
	}
	if c.KeepFormer == 0 {
		c.KeepFormer = defaultKeepFormer
	}
	if c.Name == "" {
		c.Name = "main"
	}
	if c.BatchEvents == 0 {
		c.BatchEvents = batch.DefaultEvents
	}
	if c.WatchBytes == 0 {
		c.WatchBytes = defaultWatchBytes
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = defaultCacheBytes
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
