package rows

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/watch"
)

// Config says what to compare, and at what cost.
type Config struct {
	// Projector is the projector's whole name, Owner the one of its lease.
	Projector, Owner string
	Log              *eventlog.Log
	Postgres         *pgx.ConnConfig
	Set              *projections.Set
	// Pace holds the reading of the log to its rate; PageEvents are read at once.
	Pace       Pace
	PageEvents int
	// Bytes is the memory for a slice's rows, by estimate.
	Bytes int64
	// Rest is how long to do nothing between two slices; it rests for longer after a
	// snapshot that took long.
	Rest   time.Duration
	Logger *slog.Logger
	// Compared, unless nil, is told of every slice.
	Compared func(Compared)
}

// Pace waits until so many events more may be read.
type Pace interface {
	Wait(ctx context.Context, events int) error
}

// Compared is a slice that was compared.
type Compared struct {
	View string
	// From and Last are the slice's hashes.
	From, Last uint64
	// Position is the checkpoint that it was compared at.
	Position eventlog.Position
	// Rows were compared, Events read for it, Left rows left to the next turn.
	Rows, Events, Left int
	// Bytes is the most that the rows took while they were folded.
	Bytes int64
	// Took is how long the snapshot was open.
	Took time.Duration
	// Found are the rows that differ; Turn says that all of the view's slices were compared.
	Found []watch.Difference
	Turn  bool
	// State is what is recorded.
	State watch.State
}

// hashMost is the last hash of all.
const hashMost = math.MaxUint64
