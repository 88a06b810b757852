package engine_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/verify"
)

func TestMain(m *testing.M) {
	if asWorker() {
		return
	}
	dbtest.Main(m)
}

// patience bounds every wait of the tests.
const patience = 3 * time.Minute

// fixture is a migrated database with a log.
type fixture struct {
	t        *testing.T
	db       *dbtest.DB
	log      *eventlog.Log
	producer *pgxpool.Pool
	config   *pgx.ConnConfig
	versions map[string]int64
	// warnings counts the projectors' warnings: tries that failed.
	warnings atomic.Int64
}

// counter is a log handler that counts warnings and passes on to the test's log.
type counter struct {
	slog.Handler
	warnings *atomic.Int64
}

func (c counter) Handle(ctx context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		c.warnings.Add(1)
	}
	return c.Handler.Handle(ctx, r)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db := dbtest.Postgres(t)
	log, err := eventlog.Open(t.Context(), db.Role(t, "readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(db.RoleURL("readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, db: db, log: log, producer: db.Pool, config: config, versions: map[string]int64{}}
}

// append appends events, one transaction for all, each to the stream that it names.
func (f *fixture) append(events ...streamed) eventlog.Position {
	f.t.Helper()
	tx, err := f.producer.Begin(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(f.t.Context())) }()
	appends := make([]eventlog.Append, len(events))
	for i, e := range events {
		ev, err := eventlog.NewEvent(e.event, eventlog.Meta{})
		if err != nil {
			f.t.Fatal(err)
		}
		appends[i] = eventlog.Append{Stream: e.stream, Expected: f.versions[e.stream], Events: []eventlog.Event{ev}}
		f.versions[e.stream]++
	}
	p, err := f.log.Append(f.t.Context(), tx, appends...)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := tx.Commit(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return p
}

// streamed is an event and its stream.
type streamed struct {
	stream string
	event  eventlog.Typed
}

// projector makes a projector whose observer reports every checkpoint.
func (f *fixture) projector(set *projections.Set, batch int, folded chan<- eventlog.Position) *desk {
	f.t.Helper()
	p, err := newDesk(engine.Config{
		Application: dbtest.Application,
		Log:         f.log, Postgres: f.config, Set: set, BatchEvents: batch,
		Logger: slog.New(counter{slog.NewTextHandler(f.t.Output(), nil), &f.warnings}),
		Observer: engine.Observer{Folded: func(x engine.Folded) {
			if folded != nil {
				folded <- x.Position
			}
		}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// catchUp runs a projector until it has reached p.
func (f *fixture) catchUp(set *projections.Set, batch int, p eventlog.Position) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	folded := make(chan eventlog.Position, 1000)
	done := make(chan error, 1)
	go func() { done <- f.projector(set, batch, folded).Run(ctx) }()
	for {
		select {
		case at := <-folded:
			if at.Place() >= p.Place() {
				cancel()
				if err := <-done; err != nil {
					f.t.Fatal(err)
				}
				return
			}
		case err := <-done:
			f.t.Fatalf("the projector stopped before place %d: %v", p.Place(), err)
		}
	}
}

// verify returns what verification finds.
func (f *fixture) verify(set *projections.Set) []verify.Result {
	f.t.Helper()
	found, err := verify.Views(f.t.Context(), verify.Config{Application: dbtest.Application, Projector: "main", Log: f.log, Postgres: f.config, Set: set})
	if err != nil {
		f.t.Fatal(err)
	}
	return found
}

func (f *fixture) mustVerify(set *projections.Set) {
	f.t.Helper()
	for _, v := range f.verify(set) {
		if !v.OK() {
			f.t.Errorf("view %s: %d rows differ: %+v", v.View, v.Differences.Count, v.Differences.First[0])
		}
	}
}

func mustSet(t *testing.T, brokenTitle string) *projections.Set {
	t.Helper()
	set, err := newSet(brokenTitle)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// randomEvents is a story of n events: in any order, so that updates come before
// creates and after deletes.
func randomEvents(r *rand.Rand, n int) []streamed {
	id := func(prefix string, most int) string { return prefix + strconv.Itoa(r.IntN(most)) }
	someRooms := func() []string {
		var out []string
		for range r.IntN(4) {
			out = append(out, id("r", 8))
		}
		return out
	}
	events := make([]streamed, n)
	for i := range events {
		name := "name " + strconv.Itoa(r.IntN(1000))
		p, t, ro := id("p", 20), id("t", 60), id("r", 8)
		switch k := r.IntN(100); {
		case k < 10:
			events[i] = streamed{p, personRegistered{p, name}}
		case k < 25:
			events[i] = streamed{p, personRenamed{p, name}}
		case k < 27:
			events[i] = streamed{p, personErased{p}}
		case k < 32:
			events[i] = streamed{ro, roomOpened{ro, name}}
		case k < 40:
			events[i] = streamed{ro, roomRenamed{ro, name}}
		case k < 60:
			events[i] = streamed{t, talkProposed{t, p, name, someRooms()}}
		case k < 66:
			events[i] = streamed{t, talkMoved{t, p}}
		case k < 72:
			events[i] = streamed{t, talkRoomsSet{t, someRooms()}}
		case k < 84:
			events[i] = streamed{"ratings", talksRated{[]string{id("t", 60), id("t", 60), t}, r.IntN(6)}}
		case k < 86:
			events[i] = streamed{t, talkCancelled{t}}
		case k < 96:
			b := id("b", 40)
			events[i] = streamed{b, badgePrinted{b, t}}
		default:
			events[i] = streamed{"noise", ignored{i}}
		}
	}
	return events
}
