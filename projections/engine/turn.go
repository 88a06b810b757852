package engine

import (
	"context"
	"sync/atomic"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
)

// turn is everything that a lease holder knows about the rows that it writes. It lives
// exactly as long as one ownership: from one open to the next. An ownership ends when
// the epoch was raised, the lease was lost, a batch was not committed or may not have
// been, or events were parked behind batches that are folded already. Then the whole
// turn is dropped and newTurn makes another from what the database says.
//
// Every field belongs to one of these lives; nothing else may remember a row, a batch
// or a count of batches:
//
//	Projector   the process     definitions and configuration, which never change
//	worker      one connection  lease, connection, session: they know no rows
//	turn        one ownership   epoch, tables, checkpoint, cache, parking, batches ahead
//	reader      one follow      pages read ahead; it stands on follow's stack
//	folding     one batch       rows touched, writes gathered, events held
//
// The methods of a turn can reach the fields of a turn only, so that none can write to
// something that outlives it. (TestWhatOutlivesAnOwnership keeps the list of worker's
// fields.)
type turn struct {
	// of is whose turn it is. A turn reads its definitions and configuration.
	of *Projector
	// log is where batches are read again.
	log history
	// writer sends a batch's transaction. It is the worker's: between two batches, and
	// between two turns, nothing is queued in it.
	writer *hot.Session

	// epoch is what the projector's row must still have when a batch is committed.
	epoch int64
	// tables are those that the views are written to in this epoch.
	tables []*hot.Table

	// at is the checkpoint; building reports whether readers do not see the views yet.
	// Both belong to the goroutine that writes.
	at       eventlog.Position
	building bool

	// cache and parking belong to the goroutine that folds, which while batches are
	// folded ahead is another one than that which writes.
	cache   *cache
	parking *parking.Waiting

	// committed is the number of the last batch that is committed, in the cache's count:
	// that of this turn.
	committed atomic.Int64
	// ahead folds batches ahead; nil while none are.
	ahead *ahead
	// eager is how many events a batch must have for the next one to be folded while it
	// is written.
	eager int
}

// footing is what the database says when an ownership begins. The epoch is read first:
// what changes afterwards raises it, and the first batch is refused.
type footing struct {
	epoch    int64
	at       eventlog.Position
	building bool
	tables   []*hot.Table
	parked   []Parked
}

// history is what a turn reads of the log again, behind the batches that come.
type history interface {
	// Follow hands out the pages between two places.
	Follow(ctx context.Context, from eventlog.Position, q eventlog.Query, handle func(context.Context, eventlog.Page) error) error
	// At returns the events at places.
	At(ctx context.Context, places []int64) ([]eventlog.Event, error)
	// Before returns the last events of a stream before a place.
	Before(ctx context.Context, stream string, place int64, limit int) ([]eventlog.Event, error)
}

// newTurn is the only place where a turn is made.
func newTurn(of *Projector, log history, writer *hot.Session, f footing) *turn {
	writer.Discard() // what a turn that failed has queued
	return &turn{
		of: of, log: log, writer: writer,
		epoch: f.epoch, tables: f.tables, at: f.at, building: f.building,
		cache:   newCache(of.cfg.Set, f.tables, of.cfg.CacheBytes),
		parking: waitingOf(of.cfg.Set, f.parked),
		eager:   aheadEvents,
	}
}
