package drill_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside/internal/exact"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/operate/rebuild"
	views "github.com/readside/readside/projections/shop"
)

const (
	// Together the readers ask once per 10 ms, every view each time.
	readers  = 2
	readOnce = readers * 10 * time.Millisecond
	// Freshness during rebuilds may be so many times what it is without, or the floor.
	boundTimes = 3
	boundFloor = 100 * time.Millisecond
	// rateLeast is how much of the rate must have been reached for a bound to mean anything.
	rateLeast = 0.95
)

// busy is a shop whose views are folded and read, with what was measured meanwhile.
type busy struct {
	*shop
	set     *projections.Set
	fresh   *freshness
	changed *changeCount
	readers []*reader
	stop    func()
}

func newBusy(t *testing.T) *busy {
	t.Helper()
	set, err := views.Set()
	if err != nil {
		t.Fatal(err)
	}
	b := &busy{shop: newShop(t), set: set, fresh: &freshness{}, changed: &changeCount{set: set, rows: map[string]int{}}}
	stopWorker := b.startWorker(set, 0, b.fresh.folded)
	b.until("the worker has caught up", b.caughtUp)
	b.load.watch(func(e exact.Event, place int64, at time.Time) {
		b.fresh.committed(place, at)
		b.changed.add(e)
	})
	stopLoad := b.startLoad()
	var stopReaders []func()
	for i := range readers {
		r := newReader(b.newAPI(set), set, b.load)
		b.readers = append(b.readers, r)
		stopReaders = append(stopReaders, b.background(fmt.Sprintf("reader %d", i+1), func(ctx context.Context) error { return r.every(ctx, readOnce) }))
	}
	b.stop = func() {
		b.t.Helper()
		stopLoad()
		b.until("the worker has caught up", b.caughtUp)
		for _, stop := range stopReaders {
			stop()
		}
		stopWorker()
	}
	return b
}

func (b *busy) caughtUp() bool { return b.fresh.place() >= b.load.committed.Load() }

// changeCount counts the rows that events change.
type changeCount struct {
	set  *projections.Set
	mu   sync.Mutex
	rows map[string]int
	all  int
}

func (c *changeCount) add(e exact.Event) {
	name, _ := e.Data.EventType()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all++
	if r := c.set.Route(name); r != nil {
		for _, v := range r.Views {
			c.rows[c.set.Views()[v.View].Name] += len(v.Handling.Keys(nil, e.Data, &projections.Meta{}))
		}
	}
}

func (c *changeCount) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.rows)
	c.all = 0
}

// least is the fewest that a view has, and all of them in words.
func (c *changeCount) least() (fewest int, words string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for i, m := range c.set.Views() {
		n := c.rows[m.Name]
		if i == 0 || n < fewest {
			fewest = n
		}
		parts = append(parts, fmt.Sprintf("%s %d", m.Name, n))
	}
	return fewest, strings.Join(parts, ", ")
}

func (c *changeCount) events() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// Every view is rebuilt while events come in and readers query all the time: they see
// nothing of it but, for moments, rows that are a little older.
func TestRebuildOfEveryViewUnderLoad(t *testing.T) {
	b := newBusy(t)
	b.lasts(*calm / 4) // connections, plans and caches are warm then
	calmFrom := time.Now()
	b.lasts(*calm)
	b.changed.reset()
	from := time.Now()
	for round := 1; ; round++ {
		for _, m := range b.set.Views() {
			got, err := b.rebuild(b.set, m.Name, rebuild.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("rebuilt: %s, generation %d, %d rows in %s", m.Name, got.Generation, got.Rows, got.Took.Round(time.Millisecond))
			if got.Repaired.Count != 0 || got.Generation != round+1 || got.Rows == 0 {
				t.Errorf("rebuilding %s: %+v", m.Name, got)
			}
		}
		if fewest, _ := b.changed.least(); fewest >= *changes {
			break
		}
	}
	to := time.Now()
	appended := b.changed.events()
	_, words := b.changed.least()
	b.stop()

	achieved := float64(appended) / to.Sub(from).Seconds()
	t.Logf("load: %d events/s wanted, %.0f appended per second for %s while views were rebuilt (seed %d)", *perSec, achieved, to.Sub(from).Round(time.Millisecond), *seed)
	t.Logf("row changes meanwhile: %s", words)
	before, during := b.fresh.between(calmFrom, from), b.fresh.between(from, to)
	bound := max(boundTimes*before.percentile(99), boundFloor)
	t.Logf("freshness: before %s; during %s; p99 may be %s", before, during, bound.Round(time.Millisecond))
	for i, r := range b.readers {
		times := r.times()
		if len(times) == 0 {
			t.Errorf("reader %d read nothing", i+1)
		}
		t.Logf("reader %d: queries of %d views, %s: no error, no empty view, no position that went back", i+1, len(b.set.Views()), times)
	}
	if *hasBound && during.percentile(99) > bound {
		t.Errorf("p99 freshness during rebuilds was %s, it may be %s", during.percentile(99), bound)
	}
	if *hasBound && achieved < rateLeast*float64(*perSec) {
		t.Errorf("only %.0f of %d events/s were appended: the bound means nothing", achieved, *perSec)
	}
	b.mustVerify(b.set)
}

// plants are faults of a new generation, as SQL on its table. They damage the row to
// which nothing happens meanwhile: another one an event might mend.
var plants = []struct{ name, sql string }{
	{"empty", `delete from %s`},
	{"a row lost", `delete from %s where order_id = 'anchor'`},
	{"a row too many", `insert into %s select 'stray', status, buyer_id, buyer_name, city, country, pieces, submitted_at, _state from %[1]s where order_id = 'anchor'`},
	{"an own column damaged", `update %s set pieces = pieces + 1 where order_id = 'anchor'`},
	{"a joined column damaged", `update %s set buyer_name = 'nobody' where order_id = 'anchor'`},
	{"a row hidden", `update %s set _state = 3 where order_id = 'anchor'`},
}

// plant damages the generation that a rebuild of the view has built.
func (b *busy) plant(sql, view string) (rows int64) {
	b.t.Helper()
	table := b.text(`select v.table_name from readside.views v join readside.projectors p on p.name = v.projector where p.rebuilds is not null and v.view = $1`, view)
	tag, err := b.db.Pool.Exec(b.t.Context(), fmt.Sprintf(sql, "views."+table))
	if err != nil {
		b.t.Error(err)
	}
	return tag.RowsAffected()
}

// A new generation that is not what the log says is refused: nothing is switched,
// nothing is left, and the next rebuild works.
func TestAPlantedGenerationIsRefused(t *testing.T) {
	b := newBusy(t)
	was := b.live(planted)
	for _, plant := range plants {
		err := b.rebuildPlanted(plant.sql)
		if !errors.Is(err, rebuild.ErrRefused) {
			t.Errorf("%s: the rebuild answered %v", plant.name, err)
		}
		if b.live(planted) != was {
			t.Errorf("%s: a refused generation is live", plant.name)
		}
		if left := b.int(`select count(*) from readside.projectors where rebuilds is not null`); left > 0 {
			t.Errorf("%s: the refused rebuild is still there", plant.name)
		}
		t.Logf("planted: %s: refused", plant.name)
	}
	got, err := b.rebuild(b.set, planted, rebuild.Options{})
	if err != nil || got.Repaired.Count != 0 || b.live(planted) != got.Table {
		t.Errorf("the next rebuild: %+v, %v", got, err)
	}
	b.stop()
	b.mustVerify(b.set)
	if tables := b.int(`select count(*) from pg_tables where schemaname = 'views'`); tables != int64(len(b.set.Views()))+1 {
		t.Errorf("%d tables are left, not those of the views and the retired one", tables)
	}
}

// planted is the view whose new generation is damaged.
const planted = "fulfilment"

func (b *busy) live(view string) string {
	b.t.Helper()
	return b.text(`select table_name from readside.views where view = $1 and state = 'live'`, view)
}

// rebuildPlanted damages the new generation right before it is compared. Where an event
// comes for a damaged row, the rebuild notices before it compares: then it is ordered
// again, goes on with what is there, and must refuse that.
func (b *busy) rebuildPlanted(sql string) error {
	b.t.Helper()
	const tries = 5
	rows := int64(0)
	for try := 1; ; try++ {
		_, err := b.rebuild(b.set, planted, rebuild.Options{Progress: func(p rebuild.Progress) {
			if p.Phase == "comparing" && rows == 0 {
				rows = b.plant(sql, planted)
			}
		}})
		switch {
		case rows == 0:
			b.t.Fatalf("nothing was planted, and the rebuild answered %v", err)
		case err == nil, errors.Is(err, rebuild.ErrRefused), try == tries:
			return err
		}
		b.t.Logf("the rebuild noticed: %v", err)
	}
}
