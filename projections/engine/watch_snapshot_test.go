package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/verify"
	"github.com/readside/readside/projections/watch"
	"github.com/readside/readside/projections/watch/rows"
)

// meanwhile is a pace that lets something happen whenever a page was read.
type meanwhile func()

func (m meanwhile) Wait(ctx context.Context, _ int) error {
	m()
	return ctx.Err()
}

// Between the fold of a slice and its snapshot the projector continues: what it has folded by
// then is folded in the snapshot, too, up to the checkpoint that the snapshot shows.
func TestTheWatchComparesAtTheCheckpointOfItsSnapshot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := cardSet(t, false)
	folded := make(chan eventlog.Position, 10_000)
	defer f.runs(f.projector(set, 100, folded))()
	f.reach(folded, f.append(streamed{"c1", cardOpened{"c1", ""}}, streamed{"c1", cardAdded{"c1", "", 1}}))
	var owner string
	if err := f.db.Pool.QueryRow(t.Context(), `select owner::text from readside.leases`).Scan(&owner); err != nil {
		t.Fatal(err)
	}
	moved := 0
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []rows.Compared
	rows.Run(ctx, rows.Config{
		Projector: engine.ProjectorName("main", set), Owner: owner, Log: f.log, Postgres: f.config, Set: set,
		Pace: meanwhile(func() {
			moved++
			f.reach(folded, f.append(streamed{"c1", cardAdded{"c1", "", moved}}))
		}),
		PageEvents: 1000, Bytes: 1 << 20, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Compared: func(c rows.Compared) {
			if all = append(all, c); len(all) == 10 {
				cancel()
			}
		},
	})
	if len(all) != 10 || moved < 5 {
		t.Fatalf("%d slices were compared, and the projector moved %d times", len(all), moved)
	}
	for _, c := range all {
		if len(c.Found) > 0 {
			t.Errorf("at place %d the watch found %+v", c.Position.Place(), c.Found)
		}
	}
}

// What the watch costs the folding is printed: the same events are folded by a worker with it,
// at the default rate, and by one without. (No bound: on a machine that others use too, no
// time means anything.)
func TestTheWatchAndTheFoldingRate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	r := rand.New(rand.NewPCG(34, 3))
	const some, many = 2_000, 20_000
	first := f.append(randomEvents(r, some)...)
	for _, name := range []string{"without", "with"} {
		f.timed(name, set, watch.Off, first, nil)
	}
	for range many / some {
		first = f.append(randomEvents(r, some)...)
	}
	compared := 0
	off := f.timed("without", set, watch.Off, first, nil)
	on := f.timed("with", set, 2_000, first, func(c rows.Compared) { compared += c.Rows })
	t.Logf("%d events were folded in %s, and in %s while %d rows were compared: %.2f times the time", many, off.Round(time.Millisecond), on.Round(time.Millisecond), compared, on.Seconds()/off.Seconds())
	f.mustVerifyAs("with", set)
}

// timed runs a projector of a name of its own until it has come to a place, and returns how
// long it took.
func (f *fixture) timed(name string, set *projections.Set, rate watch.Rate, until eventlog.Position, compared func(rows.Compared)) time.Duration {
	f.t.Helper()
	folded := make(chan eventlog.Position, 100_000)
	p, err := newDesk(engine.Config{
		Application: dbtest.Application, Name: name, Log: f.log, Postgres: f.config, Set: set, BatchEvents: 200, WatchRate: rate,
		Logger:   slog.New(slog.NewTextHandler(f.t.Output(), nil)),
		Observer: engine.Observer{Folded: func(x engine.Folded) { folded <- x.Position }, Compared: compared},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	began := time.Now()
	stop := f.runs(p.WithoutRest())
	f.reach(folded, until)
	took := time.Since(began)
	stop()
	return took
}

func (f *fixture) mustVerifyAs(name string, set *projections.Set) {
	f.t.Helper()
	found, err := verify.Views(f.t.Context(), verify.Config{Application: dbtest.Application, Projector: name, Log: f.log, Postgres: f.config, Set: set})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, v := range found {
		if !v.OK() {
			f.t.Error(fmt.Sprintf("view %s: %+v", v.View, v.Differences.First[0]))
		}
	}
}

// A row whose parked event is retried when its fold has passed that event is left to the next
// turn: the fold lacks the event, and the row has it by now.
func TestTheWatchLeavesRowsThatWereRetriedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	f.catchUp(broken, 100, f.append(streamed{"c1", cardOpened{"c1", ""}}, streamed{"c1", cardAdded{"c1", "handler", 7}}, streamed{"c1", cardAdded{"c1", "", 1}},
		streamed{"c2", cardOpened{"c2", ""}}))
	f.exec(`update readside.leases set owner = 'cafe0000-0000-4000-8000-000000000000', expires_at = now() + interval '1 hour'`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var cards []rows.Compared
	next, retried := false, false
	rows.Run(ctx, rows.Config{
		Projector: engine.ProjectorName("main", mended), Owner: "cafe0000-0000-4000-8000-000000000000", Log: f.log, Postgres: f.config, Set: mended,
		Pace: meanwhile(func() {
			if next && !retried {
				retried = true
				f.retries(mended, parked.Waiting{View: "card", Key: "c1"}, parked.Retried{Folded: 2})
			}
		}),
		PageEvents: 1000, Bytes: 1 << 20, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Compared: func(c rows.Compared) {
			next = c.View == "room" // the cards come next
			if c.View != "card" {
				return
			}
			if cards = append(cards, c); len(cards) == 2 {
				cancel()
			}
		},
	})
	if len(cards) != 2 || !retried {
		t.Fatalf("%d slices were compared", len(cards))
	}
	if first := cards[0]; first.Left != 1 || first.Rows != 1 || len(first.Found) > 0 {
		t.Errorf("with the event retried meanwhile: %+v", first)
	}
	if second := cards[1]; second.Left != 0 || second.Rows != 2 || len(second.Found) > 0 {
		t.Errorf("in the next turn: %+v", second)
	}
}
