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
	"github.com/readside/readside/projections/progress"
	"github.com/readside/readside/projections/watch"
	"github.com/readside/readside/projections/watch/rows"
)

// Values of a Config's fields that turn something off.
const (
	// NoCache is a CacheBytes that keeps no rows between batches.
	NoCache = -1
	// HaltAtFirst is a ParkedMax that parks no event: the projector halts at the first fault.
	HaltAtFirst = -1
	// NoBuild is a BuildAbove with which even the longest log is folded batch by batch.
	NoBuild = -1
	// NoRate is a BuildRate without a bound.
	NoRate = -1
	// NoRollback is a RollbackWindow that drops the views of former definitions at once.
	NoRollback = -1
)

// Config is what a projector folds and where. Application, Log, Postgres and Set are needed.
type Config struct {
	// Application is the one that the database belongs to; every other database is refused.
	Application string
	// BatchEvents bounds the events of one transaction, 1 to 50,000. Defaults to 10,000.
	BatchEvents int
	// BuildAbove is how many places a log must have for a first build slice by slice;
	// shorter ones are folded batch by batch. Defaults to 50,000.
	BuildAbove int
	// BuildBytes is the memory that such a build may use. Defaults to a quarter of the
	// process's memory limit (GOMEMLIMIT), at most 1 GiB, and to 256 MiB where there is none.
	BuildBytes int64
	// BuildDir is the folder for what does not fit. Defaults to the system's.
	BuildDir string
	// BuildRate bounds the events that a build reads per second. Defaults to 20,000 while a
	// projector of other definitions serves readers, and to NoRate otherwise.
	BuildRate int
	// CacheBytes bounds the memory of the rows that the lease holder keeps for the batches to
	// come. Defaults to 128 MiB.
	CacheBytes int
	// LeaseTTL is how long the lease holder may be silent before another worker takes over,
	// 100 ms to 10 minutes. Defaults to 5 s.
	LeaseTTL time.Duration
	// Log is what it reads.
	Log *eventlog.Log
	// Logger gets what an operator wants to know. Defaults to slog.Default().
	Logger *slog.Logger
	// Name is the first half of the projector's name; ProjectorName makes the whole of it.
	// Defaults to "main".
	Name string
	// Observer is called as the projector works.
	Observer Observer
	// ParkedMax is how many events may be parked before the projector halts, those that
	// wait behind them not counted. Defaults to 1,000.
	ParkedMax int
	// Postgres is where it writes, as the role readside_projector; the log's database.
	Postgres *pgx.ConnConfig
	// Program names the build of the code that folds: a rebuild that was cut off is resumed
	// under the program that began it only. Defaults to a hash of the executable.
	Program string
	// RollbackWindow is how long the views of former definitions stay after their last worker
	// has ended. Defaults to 24 h.
	RollbackWindow time.Duration
	// Set is what it folds.
	Set *projections.Set
	// WatchBytes is the memory for the rows that are compared at a time. Defaults to 32 MiB.
	WatchBytes int64
	// WatchRate is how many events per second the lease holder reads to compare its views with
	// the log all the time. Defaults to watch.Off, which compares nothing.
	WatchRate watch.Rate
}

// Observer has functions that are called as a projector works, from its own goroutine; nil
// ones are not called. None may block.
type Observer struct {
	// Folded is called after every committed batch.
	Folded func(Folded)
	// Building is called as a first build continues.
	Building func(progress.Fold)
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

	defaultLeaseTTL       = 5 * time.Second
	minLeaseTTL           = 100 * time.Millisecond
	maxLeaseTTL           = 10 * time.Minute
	defaultRollbackWindow = 24 * time.Hour
	defaultParkedMax      = 1_000
	defaultBuildAbove     = 50_000
	defaultWatchBytes     = 32 << 20
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
	if c.RollbackWindow == 0 {
		c.RollbackWindow = defaultRollbackWindow
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
