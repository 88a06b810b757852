package exact_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/exact"
	"github.com/readside/readside/projections/operate/verify"
)

var (
	seed   = flag.Uint64("seed", 0, "the seed of the first run; 0 takes 1")
	runs   = flag.Int("runs", 2, "how many runs, each with the next seed")
	events = flag.Int("events", 700, "how many events a run has at least")
	faults = flag.Int("faults", 6, "how many times something is done to workers, stores or events in a run")
	ttl    = flag.Duration("lease-ttl", 600*time.Millisecond, "how long a worker may be silent before another takes over")
)

const (
	patience   = 3 * time.Minute
	flushEvery = 20 * time.Millisecond
	hotWorkers = 2
	appenders  = 3
	// ahead bounds how far the story runs ahead of what is done.
	ahead = 32
)

func openClickHouse(url string) (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		return nil, err
	}
	return clickhouse.Open(options)
}

// However workers are killed and stopped, stores crash, and events fail, are tried again
// and are given up, the tables are what the oracles say.
func TestExactUnderKills(t *testing.T) {
	first := max(*seed, 1)
	var all tally
	t.Run("runs", func(t *testing.T) {
		grounds := startGrounds(t, min(*runs, runtime.GOMAXPROCS(0)))
		for s := first; s < first+uint64(*runs); s++ {
			t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) {
				t.Parallel()
				g := <-grounds
				t.Cleanup(func() { grounds <- g })
				started := time.Now()
				x := newExperiment(t, s, g)
				defer x.explain()
				x.run()
				x.check()
				if !t.Failed() {
					t.Logf("seed %d: %s: exact in %s (again with: -seed %d -runs 1)", s, x.tally, time.Since(started).Round(time.Second), s)
					all.add(x.tally)
				}
			})
		}
	})
	t.Logf("seeds %d to %d: %d runs exact, %s", first, first+uint64(*runs)-1, all.runs, &all)
}

type experiment struct {
	t      *testing.T
	r      *rand.Rand
	ground *ground
	db     *dbtest.DB
	ch     *dbtest.CH
	log    *eventlog.Log
	// story is what is appended, each event with its fate; flat leaves joining views out.
	story []exact.Event
	fates fates
	flat  bool
	// appendPool commits as durably as was drawn.
	appendPool *pgxpool.Pool
	// crashes counts the failures of stores, each once before it happens and once when it is
	// over. broken is set in between.
	crashes atomic.Int64
	broken  atomic.Bool
	tally   *tally
	// crew is nil before there are workers.
	crew *crew
}

// troubles are how many of a thousand events are not sound.
var troubles = []uint64{0, 4, 15, 40}

func newExperiment(t *testing.T, seed uint64, g *ground) *experiment {
	x := &experiment{t: t, r: rand.New(rand.NewPCG(seed, 2)), ground: g, db: g.postgres.Database(t), ch: dbtest.ClickHouseOn(t, g.clickHouse), tally: &tally{runs: 1}}
	x.fates = fates{seed, troubles[x.r.IntN(len(troubles))]}
	x.flat = x.r.IntN(4) == 0
	x.story = x.fates.spoil(exact.Tell(seed, *events))
	x.tally.events = len(x.story)
	if _, err := x.db.Pool.Exec(t.Context(), serviceSQL); err != nil {
		t.Fatal(err)
	}
	config, err := pgxpool.ParseConfig(x.db.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["synchronous_commit"] = []string{"on", "off"}[x.r.IntN(2)]
	if x.appendPool, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.appendPool.Close)
	if x.log, err = eventlog.Open(t.Context(), x.db.Pool); err != nil {
		t.Fatal(err)
	}
	return x
}

// program is the one of before, or the mended one.
func (x *experiment) program(mended bool) program { return program{x.fates, x.flat, mended} }

// run appends the story while faults happen, and ends when every table has caught up and
// nothing is parked any more.
func (x *experiment) run() {
	x.t.Helper()
	ctx, cancel := context.WithCancel(x.t.Context())
	defer cancel()
	seeds := [appenders]uint64{x.r.Uint64(), x.r.Uint64(), x.r.Uint64()}
	early := x.r.IntN(3) == 0
	progress := make(chan struct{}, ahead)
	appended := make(chan error, 1)
	go func() { appended <- x.appendAll(ctx, seeds, progress); close(progress) }()
	stretch := len(x.story) / (*faults + 1)
	if early { // the log is long before there is a worker
		await(progress, stretch)
	}
	crew := x.startCrew()
	x.crew = crew
	defer crew.kill()
	for range *faults {
		await(progress, stretch)
		crew.fault()
	}
	await(progress, math.MaxInt)
	if err := <-appended; err != nil {
		x.t.Fatal(err)
	}
	// A crash behind the last append may have lost what was not durable.
	if err := x.appendAll(ctx, seeds, nil); err != nil {
		x.t.Fatal(err)
	}
	crew.finish()
}

// await takes n steps of the story, or what is left of it.
func await(progress <-chan struct{}, n int) {
	for range n {
		if _, more := <-progress; !more {
			return
		}
	}
}

// explain tells of a run that failed where everything stands.
func (x *experiment) explain() {
	if !x.t.Failed() {
		return
	}
	const query = `select coalesce(string_agg(line, E'\n'), '') from (
  select format('projector %s: place %s, epoch %s, %s, %s', name, place, epoch, state, fault) as line from readside.projectors
  union all select format('build of %s: until %s in %s slices', projector, until, slices) from readside.builds
  union all select format('slices of %s: %s of view %s', projector, count(*), view) from readside.slices group by projector, view
  union all select format('view %s of %s: %s, %s', view, projector, table_name, state) from readside.views
  union all select format('parked in %s: %s at place %s, row %s: %s %s', projector, view, place, key, state, error) from readside.parked
  union all select format('lease of %s: process %s, backend %s and %s, over in %s', projector, process, backend_pid, second_pid, expires_at - clock_timestamp()) from readside.leases
  union all select format('server process %s (%s) %s since %s, waits for %s/%s of %s: %s', pid, application_name, state, clock_timestamp() - state_change, wait_event_type, wait_event, pg_blocking_pids(pid), left(query, 150))
    from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
  union all select format('facts %s: place %s', name, place) from readside.cold_checkpoint) s`
	var said string
	if err := x.db.Pool.QueryRow(context.WithoutCancel(x.t.Context()), query).Scan(&said); err != nil {
		said = err.Error()
	}
	x.t.Logf("where everything stands:\n%s\nthe workers say:\n%s", said, x.crew)
}

func (x *experiment) check() {
	x.t.Helper()
	x.checkScreens()
	x.checkViews()
	x.checkFacts()
	x.checkEffects()
}

// catchUp waits until views, facts and effects have come to the log's end, and nothing is
// built beside.
func (x *experiment) catchUp(crew *crew) {
	x.t.Helper()
	head, err := x.log.Head(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	const query = `select coalesce((select place from readside.projectors where rebuilds is null), -1), coalesce((select place from readside.cold_checkpoint where rebuilds is null), -1),
  (select count(*) from readside.cold_checkpoint where rebuilds is not null)`
	var hot, cold, beside int64
	defer func() {
		if x.t.Failed() {
			x.t.Logf("the views are at place %d, the facts at %d (%d built beside), the log at %d; the workers say:\n%s", hot, cold, beside, head.Place(), crew)
		}
	}()
	x.until("all have caught up", func() bool {
		crew.tend()
		if err := x.db.Pool.QueryRow(x.t.Context(), query).Scan(&hot, &cold, &beside); err != nil || min(hot, cold) < head.Place() || beside > 0 {
			return false
		}
		reacted, err := x.reacted(x.t.Context())
		return err == nil && reacted
	})
}

// checkScreens compares orders, baskets and accounts with plain Go.
func (x *experiment) checkScreens() {
	x.t.Helper()
	want := exact.Expect(x.fates.kept(x.story))
	if !x.flat {
		compare(x, "order", want.Orders, func(o *exact.Order) string { return o.ID })
		compare(x, "basket", want.Baskets, func(b *exact.Basket) string { return b.BuyerID })
	}
	compare(x, "account", want.Accounts, func(a *exact.Account) string { return a.CustomerID })
}

func compare[R any](x *experiment, view string, want map[string]*R, key func(*R) string) {
	x.t.Helper()
	ctx := x.t.Context()
	var table string
	if err := x.db.Pool.QueryRow(ctx, `select table_name from readside.views where view = $1 and state = 'live'`, view).Scan(&table); err != nil {
		x.t.Fatal(err)
	}
	rows, err := x.db.Pool.Query(ctx, `select `+columns[R]()+` from views.`+pgx.Identifier{table}.Sanitize()+` where _state = 2`)
	if err != nil {
		x.t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[R])
	if err != nil {
		x.t.Fatalf("view %s: %v", view, err)
	}
	got := map[string]*R{}
	for _, r := range list {
		got[key(r)] = r
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), sameTimes); diff != "" {
		x.t.Errorf("view %s is not what the oracle says (-oracle +view):\n%.4000s", view, diff)
	}
}

// columns are those that R has a field for.
func columns[R any]() string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[R]()) {
		names = append(names, f.Tag.Get("db"))
	}
	return strings.Join(names, ", ")
}

// sameTimes compares moments; the driver returns them in the local zone.
var sameTimes = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

// checkViews compares every row of every view with the fold of the log.
func (x *experiment) checkViews() {
	x.t.Helper()
	set, err := x.program(true).set()
	if err != nil {
		x.t.Fatal(err)
	}
	config, err := pgx.ParseConfig(x.db.RoleURL("readside_projector"))
	if err != nil {
		x.t.Fatal(err)
	}
	found, err := verify.Views(x.t.Context(), verify.Config{Application: dbtest.Application, Projector: "main", Log: x.log, Postgres: config, Set: set})
	if err != nil {
		x.t.Fatal(err)
	}
	for _, v := range found {
		if !v.OK() {
			x.t.Errorf("view %s: %d rows differ, the first: %+v", v.View, v.Differences.Count, v.Differences.First[0])
		}
	}
}
