package engine

import (
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Config says what a projector folds and where.
type Config struct {
	// Name is the projector's name: its checkpoint's key. Default "main".
	Name string
	// Log is what it reads.
	Log *eventlog.Log
	// Postgres is where it writes, as the role readside_projector; the log's database.
	Postgres *pgx.ConnConfig
	// Set is what it folds.
	Set *projections.Set
	// BatchEvents bounds the events of one transaction. Default 10,000.
	BatchEvents int
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
	// Halted is called when a fault halts the projector.
	Halted func(*projections.FoldError)
}

// Folded is a committed batch.
type Folded struct {
	// Position is the checkpoint now; Events is how many were folded.
	Position eventlog.Position
	Events   int
	// Took is the time of the whole transaction.
	Took time.Duration
}

const (
	defaultBatchEvents = 10_000
	maxBatchEvents     = 50_000 // what a page of the log holds at most
)

func (c *Config) validate() error {
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
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if c.Name == "" {
		c.Name = "main"
	}
	if c.BatchEvents == 0 {
		c.BatchEvents = defaultBatchEvents
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}
