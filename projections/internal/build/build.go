// Package build makes the first rows of a projector: the log up to a fixed place is folded
// slice by slice (package replay), each slice goes by COPY into a table without indexes, and
// a table gets those when its last slice is in. Whole slices are written down in the
// transaction that fills them, so a build that was cut off continues with those that it
// lacks. What came to the log meanwhile follows batch by batch.
package build

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/size"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/fold"
	"github.com/readside/readside/projections/internal/memory"
	"github.com/readside/readside/projections/parking"
	"github.com/readside/readside/projections/progress"
)

// Config is what a build needs of the lease holder that it works for.
type Config struct {
	Projector control.Projector
	Lease     *control.Lease
	Conn      *pgx.Conn
	Layouts   []*hot.Layout

	Log      *eventlog.Log
	Postgres *pgx.ConnConfig
	Set      *projections.Set
	// Above is how many places a log must have; negative never builds. Bytes is the memory
	// for rows, 0 for the default; what does not fit goes to Dir.
	Above int
	Bytes int64
	Dir   string
	// Rate is how many events a second are read; 0 is the default, negative no bound.
	// BatchEvents are read at once.
	Rate, BatchEvents int
	ParkedMax         int
	Logger            *slog.Logger
	// Progress, unless nil, is called as the build continues.
	Progress func(progress.Fold)
}

// Build is a first build on its way.
type Build struct {
	cfg    Config
	until  int64
	slices int
	done   map[string]map[int]bool
	// tables are those to be filled; parking is what waits behind faults.
	tables  []*hot.Table
	parking *parking.Waiting
	// gathered are slices of one view that wait for more, to be written together.
	gathered gathered
	// background is a server process of the lease holder beside its first: it makes indexes.
	background *background

	mu sync.Mutex
	// waiting are faults that no slice has written down yet.
	waiting []replay.Waiting
	// progress is what was reported last.
	progress progress.Fold
}

// bulky reports whether the log is long enough for a build of slices.
func (c *Config) bulky(ctx context.Context) (bool, error) {
	if c.Above < 0 {
		return false, nil
	}
	if begun, err := control.HasTables(ctx, c.Conn, c.Projector.Name); err != nil || begun {
		return false, err
	}
	head, err := c.Log.Head(ctx)
	return head.Place() >= int64(c.Above), err
}

// Open begins a build of a projector that stands at a place, or finds the one that was cut
// off; nil where there is none.
func Open(ctx context.Context, c Config, at eventlog.Position) (*Build, error) {
	if at.Place() > 0 {
		return nil, c.forget(ctx)
	}
	b := &Build{cfg: c, done: map[string]map[int]bool{}}
	found, ok, err := control.FindBuild(ctx, c.Conn, c.Projector.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return b.begin(ctx, at)
	}
	b.until, b.slices = found.Until, found.Slices
	for _, s := range found.Done {
		b.finished(s.View, s.Number)
	}
	return b, b.resume(ctx)
}

// forget forgets a build of a projector that has folded already: its rows would go
// into tables that have them.
func (c *Config) forget(ctx context.Context) error {
	if _, left, err := control.FindBuild(ctx, c.Conn, c.Projector.Name); err != nil || !left {
		return err
	}
	return c.fenced(ctx, func(tx pgx.Tx) error { return control.ForgetBuild(ctx, tx, c.Projector.Name) })
}

func (b *Build) begin(ctx context.Context, at eventlog.Position) (*Build, error) {
	c := &b.cfg
	if bulky, err := c.bulky(ctx); err != nil || !bulky {
		return nil, err
	}
	until, err := c.end(ctx, at)
	if err != nil || until.Place() < int64(c.Above) {
		return nil, err
	}
	logBytes, err := size.Bytes(ctx, c.Conn)
	if err != nil {
		return nil, err
	}
	b.until, b.slices = until.Place(), replay.Slices(logBytes, c.budget())
	return b, c.fenced(ctx, func(tx pgx.Tx) error {
		return control.BeginBuild(ctx, tx, c.Projector.Name, control.Build{Until: b.until, Slices: b.slices})
	})
}

// end is as far as the log is settled now, since only that is safe to fold for
// good; a rebuild must not pass the projector that it builds for.
func (c *Config) end(ctx context.Context, at eventlog.Position) (eventlog.Position, error) {
	if c.Projector.Shadow() {
		return control.ReadCheckpoint(ctx, c.Conn, c.Projector.Rebuilds, "", c.Log.Start())
	}
	page, err := c.Log.Read(ctx, at, eventlog.Query{Types: []string{}, Limit: 1})
	return page.Head, err
}

func (b *Build) finished(view string, slice int) {
	if b.done[view] == nil {
		b.done[view] = map[int]bool{}
	}
	b.done[view][slice] = true
}

// budget is the memory that a build may use.
func (c *Config) fenced(ctx context.Context, work func(pgx.Tx) error) error {
	return control.Fenced(ctx, c.Conn, c.Projector.Name, c.Lease.Epoch, work)
}

func (c *Config) budget() int64 { return memory.For(c.Bytes) }

// Run fills the tables, and leaves the projector where the slices end. Events that cannot
// be folded wait in parked.
func (b *Build) Run(ctx context.Context, tables []*hot.Table, parked *parking.Waiting) error {
	b.tables, b.parking = tables, parked
	started := time.Now()
	b.cfg.Logger.InfoContext(ctx, "building the views from the log, slice by slice", "projector", b.cfg.Projector.Name, "until", b.until, "slices", b.slices, "done", len(b.done))
	b.background = newBackground(ctx, b.cfg.Lease.Second)
	defer b.background.close()
	sources := &builtSources{config: b.cfg.Postgres, tables: b.tables, indexed: b.background.wait}
	defer sources.close()
	stop := b.reportTo(ctx)
	defer stop()
	most, err := b.rate(ctx)
	if err != nil {
		return err
	}
	defer memory.RelaxCollector(b.cfg.budget())()
	result, err := replay.Run(ctx, b.replay(sources, most), b.sink)
	if err != nil {
		return fmt.Errorf("build the views: %w", err)
	}
	if err := b.finish(ctx, result); err != nil {
		return fmt.Errorf("finish the build of the views: %w", err)
	}
	b.cfg.Logger.InfoContext(ctx, "the views are built; now what came meanwhile follows", "projector", b.cfg.Projector.Name, "events", result.Events, "rows", result.Rows, "took", time.Since(started))
	return nil
}

// DefaultRate is how many events a second a build reads while other work needs the machine:
// it leaves most of a small one to live traffic.
const DefaultRate = 20_000

// rate is how many events a second are read at most; not positive for no bound.
func (b *Build) rate(ctx context.Context) (most int, err error) {
	if b.cfg.Rate != 0 {
		return b.cfg.Rate, nil
	}
	serving, err := b.cfg.Projector.OthersServe(ctx, b.cfg.Conn)
	if serving {
		most = DefaultRate
	}
	return most, err
}

func (b *Build) replay(sources replay.Sources, most int) replay.Config {
	cfg := replay.Config{
		Log: b.cfg.Log, Set: b.cfg.Set, Until: b.cfg.Log.Start().At(b.until),
		Budget: b.cfg.budget(), Slices: b.slices, Dir: b.cfg.Dir,
		Sources: sources,
		Skip:    b.discarded,
		Faults:  b.hold,
		Progress: func(p progress.Fold) {
			b.mu.Lock()
			b.progress = p
			b.mu.Unlock()
			if b.cfg.Progress != nil {
				b.cfg.Progress(p)
			}
		},
	}
	if len(b.done) > 0 {
		cfg.Done = func(view *projections.Model, slice int) bool { return b.done[view.Name][slice] }
	}
	if most > 0 {
		cfg.Rate = rate.NewLimiter(rate.Limit(most), b.cfg.BatchEvents)
	}
	return cfg
}

// hold keeps a fault for the next slice to write down; too many halt the projector.
func (b *Build) hold(w replay.Waiting) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, w)
	if fault := b.parking.Hold(heldBy(w), b.cfg.ParkedMax); fault != nil {
		return fault
	}
	return nil
}

// gathered are slices that are written in one transaction.
type gathered struct {
	slices []replay.Slice
	images []hot.Image
	bytes  int64
}

// worthWriting is how many bytes of rows are worth a transaction: 4 MiB of a GiB.
func (c *Config) worthWriting() int64 { return c.budget() / 256 }

func (g *gathered) add(s replay.Slice) {
	s.Sources = nil // they stand in the tables
	g.slices = append(g.slices, s)
	for i := range s.Rows {
		g.images = append(g.images, s.Rows[i].Image)
		g.bytes += int64(len(s.Rows[i].Image.Bytes()))
		s.Rows[i].Key = "" // it may be part of an event, which would be kept with it
	}
}

// numbers are those of the slices, and how many rows each has.
func (g *gathered) numbers() (numbers, rows []int) {
	for i := range g.slices {
		numbers, rows = append(numbers, g.slices[i].Number), append(rows, len(g.slices[i].Rows))
	}
	return numbers, rows
}

// clear lets go of what was written.
func (g *gathered) clear() {
	for i := range g.slices {
		g.slices[i].Free()
	}
	clear(g.slices)
	clear(g.images)
	*g = gathered{slices: g.slices[:0], images: g.images[:0]}
}

// sink takes one slice and writes it, small ones together, and a view's last one never
// waits.
func (b *Build) sink(ctx context.Context, s replay.Slice) error {
	b.gathered.add(s)
	whole := len(b.done[s.View.Name])+len(b.gathered.slices) == s.Of
	if !whole && b.gathered.bytes < b.cfg.worthWriting() {
		return nil
	}
	t := b.table(s.View)
	// Where most slices stand there, they say of the columns what all would.
	early := whole && 2*len(b.done[s.View.Name]) >= s.Of && b.background.idle()
	if early {
		if err := b.background.begin(ctx, func(ctx context.Context, conn *pgx.Conn) error { return analyze(ctx, conn, t) }); err != nil {
			return err
		}
	}
	if err := b.writeGathered(ctx, t); err != nil || !whole {
		return err
	}
	if t != b.tables[len(b.tables)-1] {
		return b.indexInBackground(ctx, t, early)
	}
	return b.index(ctx, t, early)
}

func (b *Build) writeGathered(ctx context.Context, t *hot.Table) error {
	numbers, rows := b.gathered.numbers()
	if err := b.write(ctx, t, numbers, rows); err != nil {
		return fmt.Errorf("slices %v of view %s: %w", numbers, t.Model.Name, err)
	}
	for _, number := range numbers {
		b.finished(t.Model.Name, number)
	}
	b.gathered.clear()
	return nil
}

// write writes the slices that were gathered, with what could not be folded so far.
func (b *Build) write(ctx context.Context, t *hot.Table, numbers, rows []int) error {
	return b.cfg.fenced(ctx, func(tx pgx.Tx) error {
		// What a crash of the server takes back is built again: nobody waits for the disk.
		if _, err := tx.Exec(ctx, `set local synchronous_commit = off`); err != nil {
			return err
		}
		if err := t.CopyAll(ctx, b.cfg.Conn.PgConn(), b.gathered.images); err != nil {
			return err
		}
		if err := b.writeWaiting(ctx, tx); err != nil {
			return err
		}
		return control.AddSlices(ctx, tx, b.cfg.Projector.Name, t.Model.Name, numbers, rows)
	})
}

func (b *Build) table(m *projections.Model) *hot.Table {
	for _, t := range b.tables {
		if t.Model.Name == m.Name {
			return t
		}
	}
	panic("a slice of a view that the set does not have: " + m.Name)
}

// finish moves the projector to where the slices end.
func (b *Build) finish(ctx context.Context, result replay.Result) error {
	for _, t := range b.tables {
		if err := b.index(ctx, t, false); err != nil {
			return err
		}
	}
	return b.cfg.fenced(ctx, func(tx pgx.Tx) error {
		if err := b.writeWaiting(ctx, tx); err != nil {
			return err
		}
		return control.EndBuild(ctx, tx, b.cfg.Projector.Name, b.until, result.Events)
	})
}

// writeWaiting writes down the faults that were met since the last slice.
func (b *Build) writeWaiting(ctx context.Context, tx pgx.Tx) error {
	b.mu.Lock()
	waiting := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, w := range waiting {
		h := heldBy(w)
		if err := fold.MarkDegraded(ctx, b.cfg.Log, b.cfg.Set, &h); err != nil {
			return err
		}
		if err := fold.Park(ctx, tx, b.cfg.Projector.Name, &h); err != nil {
			return err
		}
	}
	return nil
}

// heldBy is what a replay does not fold, as a batch would hold it.
func heldBy(w replay.Waiting) parking.Held {
	return parking.Held{ViewName: w.View.Name, Key: w.Key, Stream: w.Stream, EventType: w.EventType, Position: w.Position, Fault: w.Fault}
}

// discarded reports whether an operator gave a touch up.
func (b *Build) discarded(view *projections.Model, key, _ string, place int64) bool {
	return b.parking.IsDiscarded(parking.Event{View: fold.ViewIndex(b.cfg.Set, view.Name), Key: key, Place: place})
}

// reportEvery is how often a build's progress is written down, for status.
const reportEvery = time.Second

// reportTo writes the progress down until stop is called. That it fails stops nothing.
func (b *Build) reportTo(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		conn, err := pgx.ConnectConfig(ctx, b.cfg.Postgres)
		if err != nil {
			return
		}
		defer session.Close(conn)
		tick := time.NewTicker(reportEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			b.mu.Lock()
			place := b.progress.Place
			b.mu.Unlock()
			_ = control.NoteBuild(ctx, conn, b.cfg.Projector.Name, place)
		}
	})
	return func() { cancel(); done.Wait() }
}

// builtSources finds rows of sources in the tables just built. Most builds hold all
// sources in memory: it connects where one does not.
type builtSources struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
	tables []*hot.Table
	// indexed returns when the tables that are whole have their keys.
	indexed func(context.Context) error
}

// Load implements replay.Sources.
func (s *builtSources) Load(ctx context.Context, source *projections.Model, keys []string) (map[string]any, error) {
	for _, t := range s.tables {
		if t.Model.Name != source.Name {
			continue
		}
		if err := s.open(ctx); err != nil {
			return nil, err
		}
		images, err := t.Images(ctx, s.conn, keys)
		if err != nil {
			return nil, err
		}
		out := make(map[string]any, len(images))
		for key, img := range images {
			r, err := t.Row(img)
			if err != nil {
				return nil, err
			}
			if r.State == projections.Live {
				out[key] = r.Value
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("view %s is not built here", source.Name)
}

// open waits for the keys: without them every look-up would go through the whole table.
func (s *builtSources) open(ctx context.Context) error {
	err := s.indexed(ctx)
	if err != nil || s.conn != nil {
		return err
	}
	if s.conn, err = pgx.ConnectConfig(ctx, s.config); err != nil {
		return fmt.Errorf("connect for the rows of sources: %w", err)
	}
	return nil
}

func (s *builtSources) close() {
	if s.conn != nil {
		session.Close(s.conn)
	}
}
