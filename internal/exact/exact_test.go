package exact_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/exact"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/shop"
)

var (
	seed   = flag.Uint64("seed", 0, "the seed of the first run; 0 takes 1")
	runs   = flag.Int("runs", 2, "how many runs, each with the next seed")
	events = flag.Int("events", 1200, "how many events a run has at least")
	faults = flag.Int("faults", 8, "how many times a worker is killed, ended or stopped in a run")
	ttl    = flag.Duration("lease-ttl", 600*time.Millisecond, "how long a worker may be silent before another takes over")
)

const (
	patience   = 3 * time.Minute
	flushEvery = 20 * time.Millisecond
	hotWorkers = 3
	// ahead bounds how far the story runs ahead of what is done to the workers.
	ahead = 32
)

func openClickHouse(url string) (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		return nil, err
	}
	return clickhouse.Open(options)
}

// However workers are killed and stopped, the tables are what the oracles say.
func TestExactUnderKills(t *testing.T) {
	first := max(*seed, 1)
	var all tally
	t.Run("runs", func(t *testing.T) {
		for s := first; s < first+uint64(*runs); s++ {
			t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) {
				t.Parallel()
				x := newExperiment(t, s)
				x.run()
				x.checkScreens()
				x.checkViews()
				x.checkFacts()
				if !t.Failed() {
					t.Logf("seed %d: %s: exact (again with: -seed %d -runs 1)", s, x.tally, s)
					all.add(x.tally)
				}
			})
		}
	})
	t.Logf("seeds %d to %d: %d runs exact, %s", first, first+uint64(*runs)-1, all.runs, &all)
}

type experiment struct {
	t     *testing.T
	r     *rand.Rand
	db    *dbtest.DB
	ch    *dbtest.CH
	log   *eventlog.Log
	story []exact.Event
	tally *tally
}

func newExperiment(t *testing.T, seed uint64) *experiment {
	x := &experiment{t: t, r: rand.New(rand.NewPCG(seed, 2)), db: dbtest.Postgres(t), ch: dbtest.ClickHouse(t), story: exact.Tell(seed, *events), tally: &tally{runs: 1}}
	x.tally.events = len(x.story)
	var err error
	if x.log, err = eventlog.Open(t.Context(), x.db.Pool); err != nil {
		t.Fatal(err)
	}
	return x
}

// run appends the story while workers are killed and stopped, and ends when every
// table has caught up.
func (x *experiment) run() {
	x.t.Helper()
	crew := x.startCrew()
	defer crew.kill()
	ctx, cancel := context.WithCancel(x.t.Context())
	defer cancel()
	const appenders = 3
	// Every appender works through its own streams; each fault waits for a stretch of the story.
	progress := make(chan struct{}, ahead)
	var group errgroup.Group
	seeds := [appenders]uint64{x.r.Uint64(), x.r.Uint64(), x.r.Uint64()}
	for i := range appenders {
		group.Go(func() error {
			return appendStory(ctx, x.log, x.db, share(x.story, i, appenders), rand.New(rand.NewPCG(seeds[i], 3)), progress)
		})
	}
	appended := make(chan error, 1)
	go func() { appended <- group.Wait(); close(progress) }()
	for range *faults {
		for range len(x.story) / (*faults + 1) {
			<-progress
		}
		crew.fault()
	}
	for range progress { // what is left of the story
	}
	if err := <-appended; err != nil {
		x.t.Fatal(err)
	}
	crew.resume()
	x.catchUp(crew)
}

func (x *experiment) catchUp(crew *crew) {
	x.t.Helper()
	head, err := x.log.Head(x.t.Context())
	if err != nil {
		x.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(x.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		hot, cold, err := x.places(ctx)
		if err == nil && min(hot, cold) >= head.Place() {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			x.t.Fatalf("after %s the views are at place %d, the facts at %d, the log at %d (%v); the workers say:\n%s%s",
				patience, hot, cold, head.Place(), err, crew.hot[0].errs, crew.cold.errs)
		}
	}
}

// places are the checkpoints of the views and of the facts, -1 before there are any.
func (x *experiment) places(ctx context.Context) (hot, cold int64, err error) {
	err = x.db.Pool.QueryRow(ctx, `select coalesce((select place from readside.projectors where rebuilds is null), -1), coalesce((select place from readside.cold_checkpoint), -1)`).Scan(&hot, &cold)
	return hot, cold, err
}

// share is the events of the i-th of n appenders: whole streams.
func share(story []exact.Event, i, n int) []exact.Event {
	owner := map[string]int{}
	var out []exact.Event
	for _, e := range story {
		if _, ok := owner[e.Stream]; !ok {
			owner[e.Stream] = len(owner) % n
		}
		if owner[e.Stream] == i {
			out = append(out, e)
		}
	}
	return out
}

var errGiveUp = errors.New("this transaction is rolled back on purpose")

// appendStory appends events in transactions of random size. Some are rolled back
// and tried again, and some are sent a second time after their commit, which the
// expected versions must refuse.
func appendStory(ctx context.Context, log *eventlog.Log, db *dbtest.DB, events []exact.Event, r *rand.Rand, progress chan<- struct{}) error {
	versions := map[string]int64{}
	for len(events) > 0 {
		n := min(len(events), 1+r.IntN(12))
		appends, next, err := prepare(events[:n], versions)
		if err != nil {
			return err
		}
		for giveUps := r.IntN(3); giveUps > 0; giveUps-- {
			if err := appendOnce(ctx, log, db, appends, errGiveUp); !errors.Is(err, errGiveUp) {
				return err
			}
		}
		if err := appendOnce(ctx, log, db, appends, nil); err != nil {
			return err
		}
		if r.IntN(4) == 0 {
			var conflict *eventlog.VersionConflictError
			if err := appendOnce(ctx, log, db, appends, nil); !errors.As(err, &conflict) {
				return errors.New("a second delivery was answered with " + fmt.Sprint(err) + ", not with a conflict")
			}
		}
		versions = next
		events = events[n:]
		for range n {
			select {
			case progress <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func prepare(events []exact.Event, versions map[string]int64) ([]eventlog.Append, map[string]int64, error) {
	next := maps.Clone(versions)
	appends := make([]eventlog.Append, len(events))
	for i, e := range events {
		ev, err := eventlog.NewEvent(e.Data, eventlog.Meta{Time: e.Time})
		if err != nil {
			return nil, nil, err
		}
		appends[i] = eventlog.Append{Stream: e.Stream, Expected: next[e.Stream], Events: []eventlog.Event{ev}}
		next[e.Stream]++
	}
	return appends, next, nil
}

func appendOnce(ctx context.Context, log *eventlog.Log, db *dbtest.DB, appends []eventlog.Append, end error) error {
	return pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
		if _, err := log.Append(ctx, tx, appends...); err != nil {
			return err
		}
		return end
	})
}

// checkScreens compares orders, baskets and accounts with plain Go.
func (x *experiment) checkScreens() {
	x.t.Helper()
	want := exact.Expect(x.story)
	compare(x, "order", want.Orders, func(o *exact.Order) string { return o.ID })
	compare(x, "basket", want.Baskets, func(b *exact.Basket) string { return b.BuyerID })
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

// sameTimes compares moments; the driver answers them in the local zone.
var sameTimes = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

// checkViews compares every row of every view with the fold of the log.
func (x *experiment) checkViews() {
	x.t.Helper()
	set, err := shop.Set()
	if err != nil {
		x.t.Fatal(err)
	}
	config, err := pgx.ParseConfig(x.db.RoleURL("readside_projector"))
	if err != nil {
		x.t.Fatal(err)
	}
	found, err := engine.Verify(x.t.Context(), engine.VerifyConfig{Application: dbtest.Application, Projector: "main", Log: x.log, Postgres: config, Set: set})
	if err != nil {
		x.t.Fatal(err)
	}
	for _, v := range found {
		if !v.OK() {
			x.t.Errorf("view %s: %d rows differ, the first: %+v", v.View, v.Differences.Count, v.Differences.First[0])
		}
	}
}
