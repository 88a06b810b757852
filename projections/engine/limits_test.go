package engine_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
)

// full runs tests of limits at the sizes and with the times that are promised.
var full = flag.Bool("full", false, "test limits at full size and in the promised time")

type (
	cupsPoured struct{ IDs []string }
	trayLaid   struct {
		ID   string
		Cups []string
	}
	bodyGrown struct {
		ID, C string
		Bytes int
	}
)

func (cupsPoured) EventType() (string, int) { return "limits.CupsPoured", 1 }
func (trayLaid) EventType() (string, int)   { return "limits.TrayLaid", 1 }
func (bodyGrown) EventType() (string, int)  { return "limits.BodyGrown", 1 }

type cup struct {
	ID     string `view:"id,key"`
	Poured int64  `view:"poured"`
}

type tray struct {
	ID   string   `view:"id,key"`
	Cups []string `view:"cups"`
	Full int64    `view:"full,join"`
}

type body struct {
	ID   string `view:"id,key"`
	Text string `view:"text"`
}

func limitsSet(t *testing.T) *projections.Set {
	t.Helper()
	cups := &projections.View[cup]{Name: "cup", Version: 1, Handlers: []projections.Handler[cup]{
		projections.Create(func(e trayLaid) string { return e.ID }, func(*cup, trayLaid, projections.Meta) error { return nil }),
		projections.UpdateEach(func(e cupsPoured, _ projections.Meta) []string { return e.IDs }, func(c *cup, _ string, _ cupsPoured, _ projections.Meta) error { c.Poured++; return nil }),
	}}
	trays := &projections.View[tray]{Name: "tray", Version: 1,
		Handlers: []projections.Handler[tray]{projections.Create(func(e trayLaid) string { return e.ID },
			func(r *tray, e trayLaid, _ projections.Meta) error { r.Cups = e.Cups; return nil })},
		Joins: []projections.Join[tray]{projections.JoinOn(cups, func(r *tray) []string { return r.Cups }, func(r *tray, get func(string) *cup) {
			for _, id := range r.Cups {
				if c := get(id); c != nil {
					r.Full++
				}
			}
		})}}
	bodies := &projections.View[body]{Name: "body", Version: 1, Handlers: []projections.Handler[body]{
		projections.Create(func(e bodyGrown) string { return e.ID }, func(b *body, e bodyGrown, _ projections.Meta) error {
			b.Text = strings.Repeat(e.C, e.Bytes)
			return nil
		})}}
	set, err := projections.NewSet(trays, cups, bodies)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// One legal event may name 80,000 rows, and one row as many that it joins.
func TestOneEventOfManyKeys(t *testing.T) {
	t.Parallel()
	keys, limit := 10_000, time.Minute
	if *full {
		keys, limit = 80_000, 2*time.Second
	}
	f := newFixture(t)
	set := limitsSet(t)
	folded := make(chan engine.Folded, 100)
	p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: set, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Observer: engine.Observer{Folded: func(x engine.Folded) { folded <- x }}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.runs(p)()
	ids := make([]string, keys)
	for i := range ids {
		ids[i] = fmt.Sprint("c", i)
	}
	for _, e := range []streamed{{"cups", cupsPoured{append(ids, ids...)[:keys+1]}}, {"tray", trayLaid{"t1", ids}}, {"cups", cupsPoured{ids}}} {
		began := time.Now()
		last := f.append(e)
		for x := range folded {
			if x.Position.Place() >= last.Place() {
				t.Logf("%T of %d keys: visible %s after its append began, %s of it the transaction", e.event, keys, time.Since(began), x.Took)
				break
			}
		}
		if took := time.Since(began); took > limit {
			t.Errorf("%T of %d keys took %s, over %s", e.event, keys, took, limit)
		}
	}
	if got := f.int(`select count(*) from views.cup_v1_g1 where poured = 2`); got != keys {
		t.Errorf("%d rows were folded twice, not %d", got, keys)
	}
	f.mustVerify(set)
}

// What a batch writes may be larger than a statement can be.
func TestBatchOfLargeRows(t *testing.T) {
	t.Parallel()
	rows := 30
	if *full {
		rows = 560 // over a GiB
	}
	f := newFixture(t)
	set := limitsSet(t)
	var create, change []streamed
	for i := range rows {
		k := fmt.Sprint("k", i)
		create = append(create, streamed{k, bodyGrown{k, "x", 2 << 20}})
		change = append(change, streamed{k, bodyGrown{k, "y", 2 << 20}})
	}
	f.catchUp(set, 100, f.append(create...))
	f.catchUp(set, 10_000, f.append(change...))
	if got := f.int(`select count(*) from views.body_v1_g1 where left(text, 1) = 'y'`); got != rows {
		t.Errorf("%d rows were changed, not %d", got, rows)
	}
	if f.warnings.Load() != 0 {
		t.Errorf("%d tries failed", f.warnings.Load())
	}
}

// A row that is too large to be stored is the fault of its event, which parks; all else
// flows.
func TestRowOverTheBoundParks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := limitsSet(t)
	f.append(streamed{"k1", bodyGrown{"k1", "x", 65 << 20}})
	f.catchUp(set, 100, f.append(streamed{"k2", bodyGrown{"k2", "x", 10}}))
	entries, err := f.quiet(set).Parked(t.Context(), "body")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Key != "k1" || entries[0].Reason != projections.ReasonUnstorable || !strings.Contains(entries[0].Error, "at most") {
		t.Errorf("parked: %+v", entries)
	}
	if got := f.int(`select count(*) from views.body_v1_g1`); got != 1 {
		t.Errorf("the table has %d rows", got)
	}
}

// Pages that wait for a writer are put together by their bytes, not only by how many
// events they have.
func TestWaitingEventsStayWithinMemory(t *testing.T) {
	events := 200
	if *full {
		events = 10_000
	}
	const budget = 160 << 20 // the batch that waits, the one that is offered, and the page being read
	f := newFixture(t)
	set := limitsSet(t)
	r := f.run(set, 10_000, 1<<20)
	r.step(streamed{"cups", cupsPoured{[]string{"c"}}})
	tx, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	f.exec(`select 1`)
	if _, err := tx.Exec(t.Context(), `select from readside.projectors for update`); err != nil {
		t.Fatal(err)
	}
	before := heap()
	r.append(streamed{"cups", cupsPoured{[]string{"c"}}})
	for i := range events / 100 {
		f.exec(`insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
select 1, now(), 1, 'i' || g || '-' || ` + strconv.Itoa(i) + `, 'me', 'limits.CupsPoured', 's' || g || '-' || ` + strconv.Itoa(i) + `, json_build_object('IDs', array['c'], 'Pad', repeat('p', 1000000)) from generate_series(1, 100) g`)
	}
	f.untilReadersRest()
	if used := heap() - before; used > budget {
		t.Errorf("%d events of 1 MB wait, and %d MB are held", events, used>>20)
	} else {
		t.Logf("%d events of 1 MB wait, and %d MB are held", events, used>>20)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.step(streamed{"cups", cupsPoured{[]string{"c"}}})
	r.stop()
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// untilReadersRest waits until no server process of the projector but one that waits for a
// lock has had anything to do for a while.
func (f *fixture) untilReadersRest() {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for still := 0; still < 50; {
		<-tick.C
		if f.int(`select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state = 'active'
  and query ilike '%eventlog.events%' and wait_event_type is distinct from 'Lock'`) == 0 {
			still++
		} else {
			still = 0
		}
	}
}
