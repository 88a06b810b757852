package engine_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
)

// One damaged row is repaired beside a running worker, whatever is wrong with it, with
// the rows that join it; the worker forgets what it knew of it.
func TestRebuildKeyMendsOneRow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ view, key, damage string }{
		"own column":    {"talk", "t1", `update views.talk_v1_g1 set title = 'damaged' where id = 't1'`},
		"joined column": {"talk", "t1", `update views.talk_v1_g1 set speaker_name = 'damaged' where id = 't1'`},
		"missing":       {"talk", "t1", `delete from views.talk_v1_g1 where id = 't1'`},
		"surplus":       {"room", "stray", `insert into views.room_v1_g1 values ('stray', 'stray', 0, 2)`},
		"a source":      {"person", "p1", `update views.person_v1_g1 set name = 'damaged' where id = 'p1'; update views.talk_v1_g1 set speaker_name = 'damaged' where speaker = 'p1'; update views.badge_v1_g1 set speaker = 'damaged' where talk = 't1'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			set := mustSet(t, "")
			folded := make(chan eventlog.Position, 10_000)
			r := rand.New(rand.NewPCG(6, 6))
			f.append(streamed{"p1", personRegistered{"p1", "Ann"}}, streamed{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "one"}}, streamed{"b1", badgePrinted{"b1", "t1"}})
			defer f.runs(f.projector(set, 100, folded))()
			f.reach(folded, f.append(randomEvents(r, 100)...))
			f.reach(folded, f.append(streamed{"p1", personRegistered{"p1", "Bea"}}, streamed{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "two"}}))
			f.exec(c.damage)
			got, err := f.projector(set, 100, nil).RebuildKey(t.Context(), c.view, c.key)
			if err != nil {
				t.Fatal(err)
			}
			if got.Repaired == nil || got.Repaired.Key != c.key {
				t.Errorf("it says %+v", got)
			}
			f.mustVerify(set)
			f.reach(folded, f.append(randomEvents(r, 50)...))
			f.mustVerify(set)
			// A row that no event names is no row that is right.
			unknown := name == "surplus"
			if again, err := f.projector(set, 100, nil).RebuildKey(t.Context(), c.view, c.key); err != nil || again.Repaired != nil || again.Unknown != unknown {
				t.Errorf("a row that is right: %+v, %v", again, err)
			}
		})
	}
}

// A row is repaired beside a worker that changes it all the time.
func TestRebuildKeyOfABusyRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := cardSet(t, false)
	folded := make(chan eventlog.Position, 100_000)
	defer f.runs(f.projector(set, 100, folded))()
	f.reach(folded, f.append(streamed{"c1", cardOpened{"c1", ""}}))
	stop := f.busy("c1", "c1")
	for range 10 {
		if _, err := f.projector(set, 100, nil).RebuildKey(t.Context(), "card", "c1"); err != nil {
			t.Errorf("%.300v", err)
			break
		}
	}
	stop()
	f.reach(folded, f.append(streamed{"c1", cardAdded{"c1", "", 1}}))
	f.mustVerify(set)
}

// What waited for the row when it was folded from the log, and was retried before it
// is written, is in it.
func TestRebuildKeyMeetsARetry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	f.catchUp(broken, 100, f.append(streamed{"c1", cardOpened{"c1", ""}}, streamed{"c1", cardAdded{"c1", "handler", 2}}, streamed{"c1", cardAdded{"c1", "", 3}}))
	tx, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `select from readside.projectors for no key update`); err != nil {
		t.Fatal(err)
	}
	waiting := func(n int) {
		t.Helper()
		f.until("they wait for the projector's row", func() bool {
			return f.int(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) == n
		})
	}
	done := make(chan error, 2)
	go func() {
		_, err := f.projector(mended, 100, nil).Retry(t.Context(), parked.Waiting{View: "card", Key: "c1"})
		done <- err
	}()
	waiting(1)
	go func() {
		_, err := f.projector(mended, 100, nil).RebuildKey(t.Context(), "card", "c1")
		done <- err
	}()
	waiting(2)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	f.mustBe("c1", 5, "[2,3]")
	f.mustVerify(mended)
}

// A row that no event names is distinguished from one that is right, and from one whose only
// event is parked.
func TestRebuildKeyOfARowThatNoEventNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken := cardSet(t, true)
	f.catchUp(broken, 100, f.append(streamed{"c1", cardOpened{"c1", ""}}, streamed{"c2", cardAdded{"c2", "handler", 2}}))
	for key, unknown := range map[string]bool{"c1": false, "c2": false, "nobody": true} {
		got, err := f.projector(broken, 100, nil).RebuildKey(t.Context(), "card", key)
		if err != nil || got.Repaired != nil || got.Unknown != unknown {
			t.Errorf("row %q: %+v, %v; want unknown %v", key, got, err, unknown)
		}
	}
}

// before runs something, once, before a connection sends a certain statement.
type before struct {
	sql string
	do  func()
}

// TraceQueryStart implements pgx.QueryTracer.
func (b *before) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if do := b.do; do != nil && strings.HasPrefix(q.SQL, b.sql) {
		b.do = nil
		do()
	}
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (b *before) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// A row that the projector folded while the log was read for it is known, and right.
func TestRebuildKeyOfARowThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := cardSet(t, false)
	f.catchUp(set, 100, f.append(streamed{"c1", cardOpened{"c1", ""}}))
	ahead := f.config
	f.config = ahead.Copy()
	came := &before{sql: "begin", do: func() {
		f.config = ahead
		f.catchUp(set, 100, f.append(streamed{"c2", cardOpened{"c2", ""}}))
	}}
	f.config.Tracer = came
	got, err := f.projector(set, 100, nil).RebuildKey(t.Context(), "card", "c2")
	if err != nil || came.do != nil || got.Repaired != nil || got.Unknown {
		t.Errorf("%+v, %v; what came meanwhile: %v", got, err, came.do == nil)
	}
}

func TestPlanOfARebuild(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	plan, err := f.projector(set, 100, nil).PlanRebuild(t.Context(), "room", rebuild.Options{MaxRate: 2})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Events != 1 || len(plan.Types) != 1 || plan.Types[0].Type != "test.TalkProposed" || plan.Estimated.Milliseconds() != 500 || plan.Bytes <= 0 || plan.Connections < 2 {
		t.Errorf("the plan is %+v", plan)
	}
}

// A rebuild opens as many connections as its plan names; one of the log's readers may do
// with the other's.
func TestTheConnectionsOfARebuild(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 1000, bigStory(f, 8))
	var opened atomic.Int64
	count := func(context.Context, *pgconn.PgConn) error { opened.Add(1); return nil }
	pool, err := pgxpool.ParseConfig(f.db.RoleURL("readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	pool.ConnConfig.AfterConnect = count
	conns, err := pgxpool.NewWithConfig(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conns.Close)
	log, err := eventlog.Open(t.Context(), conns)
	if err != nil {
		t.Fatal(err)
	}
	config := f.config.Copy()
	config.AfterConnect = count
	p, err := newDesk(engine.Config{Application: dbtest.Application, Log: log, Postgres: config, Set: set, BuildAbove: 1, BuildDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.projector(set, 100, nil).PlanRebuild(t.Context(), "talk", rebuild.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Rebuild(t.Context(), "talk", rebuild.Options{MaxRate: -1}); err != nil {
		t.Fatal(err)
	}
	if got := int(opened.Load()); got > plan.Connections || got < plan.Connections-1 {
		t.Errorf("the plan says %d connections, and %d were opened", plan.Connections, got)
	}
}
