package fold

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/cache"
	"github.com/readside/readside/projections/parking"
)

// Config is what a turn needs to know of its projector. It never changes.
type Config struct {
	// Projector is the projector's whole name, and Set what it folds.
	Projector string
	Set       *projections.Set
	// Shadow is true for a rebuild, whose tables readers never see.
	Shadow bool
	// BatchEvents bounds the events of a batch, CacheBytes the rows that are kept between
	// batches, ParkedMax how many events may be parked before the projector halts.
	BatchEvents, CacheBytes, ParkedMax int
	// Postgres is where rows are loaded from while a batch is being written.
	Postgres *pgx.ConnConfig
	Logger   *slog.Logger
	// Folded is called after every committed batch, Parked for every event that was parked.
	Folded func(Folded)
	Parked func(*projections.FoldError)
}

// Log is what a turn reads of the log again, behind the batches that come.
type Log interface {
	// Follow hands out the pages between two places.
	Follow(ctx context.Context, from eventlog.Position, q eventlog.Query, handle func(context.Context, eventlog.Page) error) error
	// At returns the events at places.
	At(ctx context.Context, places []int64) ([]eventlog.Event, error)
	// Before returns the last events of a stream before a place.
	Before(ctx context.Context, stream string, place int64, limit int) ([]eventlog.Event, error)
}

// Footing is what the database holds when an ownership begins. The epoch is read first:
// what changes afterwards raises it, and the first batch is refused.
type Footing struct {
	Epoch    int64
	At       eventlog.Position
	Building bool
	Tables   []*hot.Table
	Parked   []control.ParkedEvent
}

// Turn is everything that a lease holder knows about the rows that it writes. It lives
// exactly as long as one ownership. An ownership ends when the epoch was raised, the lease
// was lost, a batch was not committed or may not have been, or events were parked behind
// batches that are folded already. Then the whole turn is dropped, and New makes another
// from what the database holds.
//
// Every field belongs to one of these lives; nothing else may remember a row, a batch
// or a count of batches:
//
//	Projector   the process     definitions and configuration, which never change
//	Worker      one connection  lease, connection, session: they know no rows
//	Turn        one ownership   epoch, tables, checkpoint, cache, parking, batches ahead
//	Reader      one follow      pages read ahead
//	folding     one batch       rows touched, writes gathered, events held
//
// The methods of a turn can reach the fields of a turn only, so that none can write to
// something that outlives it. (TestWhatOutlivesAnOwnership keeps the list of the worker's
// fields.)
type Turn struct {
	cfg Config
	// log is where batches are read again.
	log Log
	// writer sends a batch's transaction. It is the worker's: between two batches, and
	// between two turns, nothing is queued in it.
	writer *pipeline.Session

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
	cache   *cache.Cache
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

// New begins a turn: the only place where one is made. What a former turn has queued in
// the writer is dropped.
func New(cfg Config, log Log, writer *pipeline.Session, f Footing) *Turn {
	writer.Discard()
	return &Turn{
		cfg: cfg, log: log, writer: writer,
		epoch: f.Epoch, tables: f.Tables, at: f.At, building: f.Building,
		cache:   cache.New(cfg.Set, f.Tables, cfg.CacheBytes),
		parking: waitingOf(cfg.Set, f.Parked),
		eager:   aheadEvents,
	}
}

// waitingOf is what waits of a projector's entries, and what was discarded for good.
func waitingOf(set *projections.Set, entries []control.ParkedEvent) *parking.Waiting {
	w := parking.New()
	for _, e := range entries {
		w.Add(EntryOf(set, e))
	}
	return w
}

// At is the checkpoint.
func (t *Turn) At() eventlog.Position { return t.at }

// Epoch is what the projector's row must still have when the next batch is committed.
func (t *Turn) Epoch() int64 { return t.epoch }

// Building reports whether readers do not see the views yet.
func (t *Turn) Building() bool { return t.building }

// Tables are those that the views are written to, in the order of the set.
func (t *Turn) Tables() []*hot.Table { return t.tables }

// Parking is what waits behind faults.
func (t *Turn) Parking() *parking.Waiting { return t.parking }

// WatchRows calls see with every row that is folded or whose joins are computed from now
// on; with nil it ends that.
func (t *Turn) WatchRows(see func(m *projections.Model, key string)) { t.cache.Watch = see }
