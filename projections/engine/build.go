package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/hot"
	"github.com/readside/readside/projections/parking"
	"github.com/readside/readside/projections/replay"
)

// A projector's first rows are not folded batch by batch: the log up to a fixed place
// is folded slice by slice (package replay), each slice goes by COPY into a table
// without indexes, and a table gets those when its last slice is in. Whole slices are
// written down in the transaction that fills them, so a build that is cut off goes on
// with those that it lacks. What came to the log meanwhile follows batch by batch.

// build is a first build on its way.
type build struct {
	*worker
	until  int64
	slices int
	done   map[string]map[int]bool
	// gathered are slices of one view that wait for more, to be written together.
	gathered gathered
	// beside is a server process of the owner beside its first: it makes indexes.
	beside *beside

	mu sync.Mutex
	// waiting are faults that no slice has written down yet.
	waiting []replay.Waiting
	// progress is what was told last.
	progress replay.Progress
}

// bulky reports whether the log is long enough for a build of slices.
func (w *worker) bulky(ctx context.Context) (bool, error) {
	if w.cfg.BuildAbove < 0 {
		return false, nil
	}
	var begun bool
	if err := w.conn.QueryRow(ctx, `select exists (select from readside.views where projector = $1)`, w.name).Scan(&begun); err != nil || begun {
		return false, err
	}
	head, err := w.cfg.Log.Head(ctx)
	return head.Place() >= int64(w.cfg.BuildAbove), err
}

// openBuild begins a build, or finds the one that was cut off; nil where there is none.
func (w *worker) openBuild(ctx context.Context, at eventlog.Position) (*build, error) {
	if at.Place() > 0 {
		return nil, w.forgetBuild(ctx)
	}
	b := &build{worker: w, done: map[string]map[int]bool{}}
	err := w.conn.QueryRow(ctx, `select until, slices from readside.builds where projector = $1`, w.name).Scan(&b.until, &b.slices)
	if errors.Is(err, pgx.ErrNoRows) {
		return w.newBuild(ctx, b, at)
	}
	if err != nil {
		return nil, fmt.Errorf("find the build of projector %s: %w", w.name, explain(err))
	}
	rows, err := w.conn.Query(ctx, `select view, slice from readside.slices where projector = $1`, w.name)
	if err != nil {
		return nil, err
	}
	var view string
	var slice int
	if _, err := pgx.ForEachRow(rows, []any{&view, &slice}, func() error { b.finished(view, slice); return nil }); err != nil {
		return nil, err
	}
	return b, b.goOn(ctx)
}

// forgetBuild forgets a build of a projector that has folded already: its rows would go
// into tables that have them.
func (w *worker) forgetBuild(ctx context.Context) error {
	var left bool
	if err := w.conn.QueryRow(ctx, `select exists (select from readside.builds where projector = $1)`, w.name).Scan(&left); err != nil || !left {
		return explain(err)
	}
	return w.fenced(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from readside.builds where projector = $1`, w.name)
		return err
	})
}

func (w *worker) newBuild(ctx context.Context, b *build, at eventlog.Position) (*build, error) {
	if bulky, err := w.bulky(ctx); err != nil || !bulky {
		return nil, err
	}
	until, err := w.buildUntil(ctx, at)
	if err != nil || until.Place() < int64(w.cfg.BuildAbove) {
		return nil, err
	}
	var logBytes int64
	if err := w.conn.QueryRow(ctx, `select pg_table_size('eventlog.events')`).Scan(&logBytes); err != nil {
		return nil, err
	}
	b.until, b.slices = until.Place(), replay.Slices(logBytes, w.budget())
	return b, w.fenced(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into readside.builds (projector, until, slices) values ($1, $2, $3)`, w.name, b.until, b.slices)
		return err
	})
}

// buildUntil is as far as the log is settled now, since only that is safe to fold for
// good; a rebuild must not pass the projector that it builds for.
func (w *worker) buildUntil(ctx context.Context, at eventlog.Position) (eventlog.Position, error) {
	if w.rebuilds != "" {
		return readCheckpoint(ctx, w.conn, w.rebuilds, "", w.cfg.Log.Start())
	}
	page, err := w.cfg.Log.Read(ctx, at, eventlog.Query{Types: []string{}, Limit: 1})
	return page.Head, err
}

func (b *build) finished(view string, slice int) {
	if b.done[view] == nil {
		b.done[view] = map[int]bool{}
	}
	b.done[view][slice] = true
}

// budget is the memory that a build may use.
func (w *worker) budget() int64 { return memoryFor(w.cfg.BuildBytes) }

// run folds all slices and leaves the projector at the place until.
func (b *build) run(ctx context.Context) error {
	started := time.Now()
	b.cfg.Logger.InfoContext(ctx, "building the views from the log, slice by slice", "projector", b.name, "until", b.until, "slices", b.slices, "done", len(b.done))
	b.beside = newBeside(ctx, func(ctx context.Context) (*pgx.Conn, error) { return b.lease.second(ctx, b.cfg.Postgres) })
	defer b.beside.close()
	sources := &builtSources{config: b.cfg.Postgres, tables: b.tables, indexed: b.beside.wait}
	defer sources.close()
	stop := b.reportTo(ctx)
	defer stop()
	most, err := b.rate(ctx)
	if err != nil {
		return err
	}
	defer relaxCollector(b.budget())()
	result, err := replay.Run(ctx, b.config(sources, most), b.sink)
	if err != nil {
		return fmt.Errorf("build the views: %w", err)
	}
	if err := b.finish(ctx, result); err != nil {
		return fmt.Errorf("finish the build of the views: %w", err)
	}
	b.cfg.Logger.InfoContext(ctx, "the views are built; now what came meanwhile follows", "projector", b.name, "events", result.Events, "rows", result.Rows, "took", time.Since(started))
	return nil
}

// rate is how many events a second are read at most; not positive for no bound.
func (b *build) rate(ctx context.Context) (most int, err error) {
	if b.cfg.BuildRate != 0 {
		return b.cfg.BuildRate, nil
	}
	var serving bool
	err = b.conn.QueryRow(ctx, `select exists (select from readside.projectors where base = $1 and name <> $2 and rebuilds is null and state = 'live')`, b.cfg.Name, b.name).Scan(&serving)
	if serving {
		most = defaultRebuildRate
	}
	return most, err
}

func (b *build) config(sources replay.Sources, most int) replay.Config {
	cfg := replay.Config{
		Log: b.cfg.Log, Set: b.cfg.Set, Until: b.cfg.Log.Start().At(b.until),
		Budget: b.budget(), Slices: b.slices, Dir: b.cfg.BuildDir,
		Sources: sources,
		Skip:    b.discarded,
		Faults:  b.hold,
		Progress: func(p replay.Progress) {
			b.mu.Lock()
			b.progress = p
			b.mu.Unlock()
			if b.cfg.Observer.Building != nil {
				b.cfg.Observer.Building(p)
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
func (b *build) hold(w replay.Waiting) error {
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
func (w *worker) worthWriting() int64 { return w.budget() / 256 }

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
func (b *build) sink(ctx context.Context, s replay.Slice) error {
	b.gathered.add(s)
	whole := len(b.done[s.View.Name])+len(b.gathered.slices) == s.Of
	if !whole && b.gathered.bytes < b.worthWriting() {
		return nil
	}
	t := b.table(s.View)
	// Where most slices stand there, they say of the columns what all would.
	early := whole && 2*len(b.done[s.View.Name]) >= s.Of && b.beside.idle()
	if early {
		if err := b.beside.begin(ctx, func(ctx context.Context, conn *pgx.Conn) error { return analyze(ctx, conn, t) }); err != nil {
			return err
		}
	}
	if err := b.writeGathered(ctx, t); err != nil || !whole {
		return err
	}
	if t != b.tables[len(b.tables)-1] {
		return b.indexBeside(ctx, t, early)
	}
	return b.index(ctx, t, early)
}

func (b *build) writeGathered(ctx context.Context, t *hot.Table) error {
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
func (b *build) write(ctx context.Context, t *hot.Table, numbers, rows []int) error {
	return b.fenced(ctx, func(tx pgx.Tx) error {
		// What a crash of the server takes back is built again: nobody waits for the disk.
		if _, err := tx.Exec(ctx, `set local synchronous_commit = off`); err != nil {
			return err
		}
		if err := t.CopyAll(ctx, b.conn.PgConn(), b.gathered.images); err != nil {
			return err
		}
		if err := b.writeWaiting(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `insert into readside.slices (projector, view, slice, rows) select $1, $2, unnest($3::int[]), unnest($4::int[])`, b.name, t.Model.Name, numbers, rows)
		return err
	})
}

func (b *build) table(m *projections.Model) *hot.Table {
	for _, t := range b.tables {
		if t.Model.Name == m.Name {
			return t
		}
	}
	panic("a slice of a view that the set does not have: " + m.Name)
}

// finish moves the projector to where the slices end.
func (b *build) finish(ctx context.Context, result replay.Result) error {
	for _, t := range b.tables {
		if err := b.index(ctx, t, false); err != nil {
			return err
		}
	}
	return b.fenced(ctx, func(tx pgx.Tx) error {
		if err := b.writeWaiting(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from readside.builds where projector = $1`, b.name); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update readside.projectors set place = $2, folded = folded + $3, updated_at = clock_timestamp() where name = $1`, b.name, b.until, result.Events)
		b.at = b.at.At(b.until)
		return err
	})
}

// writeWaiting writes down the faults that were met since the last slice.
func (b *build) writeWaiting(ctx context.Context, tx pgx.Tx) error {
	b.mu.Lock()
	waiting := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, w := range waiting {
		h := heldBy(w)
		if err := markDegraded(ctx, b.cfg.Log, b.cfg.Set, &h); err != nil {
			return err
		}
		if err := insertHeld(ctx, tx, b.name, &h); err != nil {
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
func (b *build) discarded(view *projections.Model, key, _ string, place int64) bool {
	return b.parking.IsDiscarded(parking.Event{View: viewIndex(b.cfg.Set, view.Name), Key: key, Place: place})
}

// reportEvery is how often a build's progress is written down, for status.
const reportEvery = time.Second

// reportTo writes the progress down until stop is called. That it fails stops nothing.
func (b *build) reportTo(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		conn, err := pgx.ConnectConfig(ctx, b.cfg.Postgres)
		if err != nil {
			return
		}
		defer closeConn(conn)
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
			_, _ = conn.Exec(ctx, `update readside.builds set read = greatest(read, $2), updated_at = clock_timestamp() where projector = $1`, b.name, place)
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
		closeConn(s.conn)
	}
}
