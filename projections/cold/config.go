package cold

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/watch"
)

// Config says what a cold projector writes and where.
type Config struct {
	// Application is the one that the stores belong to; every other application's are
	// refused, in Postgres and in ClickHouse.
	Application string
	// Name is the projector's name: its checkpoint's key. Default "cold".
	Name string
	// Log is what it reads.
	Log *eventlog.Log
	// Pool is where its ledger is, as the role readside_projector; the log's database.
	// A running projector keeps one connection of it.
	Pool *pgxpool.Pool
	// ClickHouse is where the facts go: tables into the connection's database.
	ClickHouse driver.Conn
	// Mart is the database of the analysts' views. Default: MartDatabase of the tables'.
	Mart string
	// Set is whose facts it writes.
	Set *projections.Set
	// BatchRows bounds the rows of one batch. Default 200,000.
	BatchRows int
	// FlushEvery bounds how long a row waits for others when the projector is not
	// behind. One that is gathers for longer, since each INSERT costs the same however
	// few rows it has. Default 500 ms.
	FlushEvery time.Duration
	// KeepFormer is how long the tables and the mart's views of facts that the set has no
	// more stay after the new definitions are shown, for programs of the former ones and for
	// a rollback. Default 24 h; negative drops them at once.
	KeepFormer time.Duration
	// ParkedMax bounds the events that are parked: one more halts the projector.
	// HaltAtFirst parks none. Default 1,000.
	ParkedMax int
	// WatchRate is how many events per second the lease holder reads to compare the facts
	// with the log all the time; watch.Off compares nothing. Defaults to watch.Off.
	WatchRate watch.Rate
	// Logger gets what an operator wants to know. Default slog.Default().
	Logger *slog.Logger
	// Observer is told of every batch.
	Observer Observer
}

// Observer is told what a projector does; nil functions are left out. They are called
// from the projector's own goroutine and must not block.
type Observer struct {
	// Written is called after every finished batch.
	Written func(Written)
	// Recovered is called for every block of a dead worker that was brought to its end.
	Recovered func(table string, how Recovery)
	// Parked is called for every event that is parked, once that is written down.
	Parked func(*projections.FoldError)
	// Halted is called when a fault halts the projector.
	Halted func(error)
	// Interrupted is called when a store failed; the projector tries again.
	Interrupted func(error)
	// Compared is called for every fact that was compared with the log, from a goroutine of
	// its own.
	Compared func(Compared)
}

// Written is a finished batch.
type Written struct {
	// Position is the checkpoint now; Rows and Blocks are what was written for it.
	Position     eventlog.Position
	Rows, Blocks int
	// Took is from the plan to the published watermark.
	Took time.Duration
}

// Recovery is what became of a block that a dead worker had planned.
type Recovery string

// The ways to bring a block to its end.
const (
	// Found: it was in ClickHouse.
	Found Recovery = "found"
	// Resent: it was not, and went in under its token.
	Resent Recovery = "resent"
	// Renewed: its token was spent without its rows, and it went in under a new one.
	Renewed Recovery = "renewed"
	// Withdrawn: other code makes other blocks; what there was of it is taken out.
	Withdrawn Recovery = "withdrawn"
)

const (
	defaultName       = "cold"
	defaultBatchRows  = blockRowsMax
	defaultFlushEvery = 500 * time.Millisecond
	maxFlushEvery     = 10 * time.Second
	defaultKeepFormer = 24 * time.Hour
	defaultParkedMax  = 1_000
)

// HaltAtFirst is the ParkedMax of a projector that parks nothing.
const HaltAtFirst = -1

func (c *Config) validate() error {
	var errs []error
	missing := func(absent bool, what, mend string) {
		if absent {
			errs = append(errs, fmt.Errorf("the Config has no %s: %s", what, mend))
		}
	}
	missing(c.Log == nil, "Log", "open one with eventlog.Open")
	missing(c.Pool == nil, "Pool", "connect one as the role readside_projector")
	missing(c.ClickHouse == nil, "ClickHouse", "open one with clickhouse.Open")
	missing(c.Set == nil || len(c.Set.Facts()) == 0, "facts", "give facts to projections.NewSet")
	if err := application.ValidName(c.Application); err != nil {
		errs = append(errs, fmt.Errorf("the Config's Application: %w", err))
	}
	errs = append(errs, c.WatchRate.Validate())
	if c.BatchRows < 0 || c.BatchRows > blockRowsMax {
		errs = append(errs, fmt.Errorf("BatchRows is %d: give 1 to %d, or 0 for %d", c.BatchRows, blockRowsMax, defaultBatchRows))
	}
	if c.FlushEvery < 0 || c.FlushEvery > maxFlushEvery {
		errs = append(errs, fmt.Errorf("FlushEvery is %s: give up to %s, or 0 for %s", c.FlushEvery, maxFlushEvery, defaultFlushEvery))
	}
	if c.ParkedMax < HaltAtFirst {
		errs = append(errs, fmt.Errorf("ParkedMax is %d: give 1 or more, %d to halt at the first fault, or 0 for %d", c.ParkedMax, HaltAtFirst, defaultParkedMax))
	}
	if c.Set != nil {
		for _, m := range c.Set.Facts() {
			if m.Name == martWatermarks {
				errs = append(errs, fmt.Errorf("a fact is called %s, as is the mart's view of how complete all facts are: give it another name", m.Name))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.defaults()
	return nil
}

func (c *Config) defaults() {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.BatchRows == 0 {
		c.BatchRows = defaultBatchRows
	}
	if c.ParkedMax == 0 {
		c.ParkedMax = defaultParkedMax
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = defaultFlushEvery
	}
	if c.KeepFormer == 0 {
		c.KeepFormer = defaultKeepFormer
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}
