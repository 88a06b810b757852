// Package own is how rows of a projector may be written: by the Worker that holds the
// projector's lease, which folds batch after batch, or by a Guest, which writes for an
// operator under the lock of the projector's row.
package own

import (
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/fold"
	"github.com/readside/readside/projections/progress"
)

// Config is a projector as its workers and guests know it. It never changes. Nothing has a
// default here: its maker fills in all of it.
type Config struct {
	Projector control.Projector
	Set       *projections.Set
	Layouts   []*hot.Layout
	Log       *eventlog.Log
	Postgres  *pgx.ConnConfig

	BatchEvents, CacheBytes, ParkedMax int
	LeaseTTL                           time.Duration
	// BuildAbove, BuildBytes, BuildDir and BuildRate are of a first build: see package build.
	BuildAbove int
	BuildBytes int64
	BuildDir   string
	BuildRate  int
	// Program names the build of the code that folds; only a rebuild notes it.
	Program string

	Logger *slog.Logger
	// Folded, Parked, Halted and Building are called as the worker folds; nil ones are not.
	Folded   func(fold.Folded)
	Parked   func(*projections.FoldError)
	Halted   func(*projections.FoldError)
	Building func(progress.Fold)
}

// ViewNames are the names of the set's views, in its order.
func (c *Config) ViewNames() []string {
	views := make([]string, len(c.Layouts))
	for i, l := range c.Layouts {
		views[i] = l.Model.Name
	}
	return views
}

// turn is what a turn needs of it.
func (c *Config) turn() fold.Config {
	return fold.Config{
		Projector: c.Projector.Name, Set: c.Set, Shadow: c.Projector.Shadow(),
		BatchEvents: c.BatchEvents, CacheBytes: c.CacheBytes, ParkedMax: c.ParkedMax,
		Postgres: c.Postgres, Logger: c.Logger, Folded: c.Folded, Parked: c.Parked,
	}
}
