package explain_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/explain"
	"github.com/readside/readside/projections/shop"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// patience bounds every wait of the tests.
const patience = 3 * time.Minute

// fixture is a log that a real projector folded into a real Postgres.
type fixture struct {
	t        *testing.T
	db       *dbtest.DB
	log      *eventlog.Log
	set      *projections.Set
	config   *pgx.ConnConfig
	versions map[string]int64
}

func newFixture(t *testing.T, set *projections.Set) *fixture {
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
	return &fixture{t: t, db: db, log: log, set: set, config: config, versions: map[string]int64{}}
}

func shopSet(t *testing.T) *projections.Set {
	t.Helper()
	set, err := shop.Set()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Pool.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// append appends events in the order given, each as its stream's next.
func (f *fixture) append(events ...eventlog.Event) eventlog.Position {
	f.t.Helper()
	tx, err := f.db.Pool.Begin(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(f.t.Context())) }()
	var appends []eventlog.Append
	for _, e := range events {
		appends = append(appends, eventlog.Append{Stream: e.Stream, Expected: f.versions[e.Stream], Events: []eventlog.Event{e}})
		f.versions[e.Stream]++
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

// happened is an event of a Go value in a stream.
func happened(t *testing.T, stream string, e eventlog.Typed) eventlog.Event {
	t.Helper()
	ev, err := eventlog.NewEvent(e, eventlog.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	ev.Stream = stream
	return ev
}

// raw is an event whose data nobody checked.
type raw struct {
	name string
	data json.RawMessage
}

func (r raw) EventType() (string, int)     { return r.name, 1 }
func (r raw) MarshalJSON() ([]byte, error) { return r.data, nil }

// story reads the events of a story of the shop.
func story(t *testing.T, name string) []eventlog.Event {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "shop", "testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(content), "----\n")
	var out []eventlog.Event
	for line := range strings.SplitSeq(text, "\n") {
		if fields := strings.SplitN(line, " ", 3); len(fields) == 3 && !strings.HasPrefix(line, "#") {
			out = append(out, happened(t, fields[0], raw{fields[1], json.RawMessage(fields[2])}))
		}
	}
	return out
}

// fold runs a projector until it has reached p.
func (f *fixture) fold(p eventlog.Position) {
	f.t.Helper()
	folded := make(chan eventlog.Position, 1000)
	projector, err := engine.New(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: f.set,
		Logger:   slog.New(slog.NewTextHandler(f.t.Output(), nil)),
		Observer: engine.Observer{Folded: func(x engine.Folded) { folded <- x.Position }}})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- projector.Run(ctx) }()
	for {
		select {
		case at := <-folded:
			if at.Place() < p.Place() {
				continue
			}
			f.untilLive(ctx)
			cancel()
			if err := <-done; err != nil {
				f.t.Fatal(err)
			}
			return
		case err := <-done:
			f.t.Fatalf("the projector ended before place %d: %v", p.Place(), err)
		}
	}
}

// untilLive waits until the views are live: after the first catching up.
func (f *fixture) untilLive(ctx context.Context) {
	f.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for building := 1; building > 0; <-tick.C {
		if err := f.db.Pool.QueryRow(ctx, `select count(*) from readside.views where state = 'building'`).Scan(&building); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) projector() string { return engine.ProjectorName("main", f.set) }

func (f *fixture) explain(view, key string) (*explain.Story, error) {
	return explain.Row(f.t.Context(), explain.Config{
		Log: f.log, Postgres: f.config, Set: f.set, Projector: f.projector(), View: view, Key: key,
	})
}

func (f *fixture) mustExplain(view, key string) *explain.Story {
	f.t.Helper()
	s, err := f.explain(view, key)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// table is a view's live table.
func (f *fixture) table(view string) string {
	f.t.Helper()
	var name string
	if err := f.db.Pool.QueryRow(f.t.Context(), `select table_name from readside.views where view = $1 and state = 'live'`, view).Scan(&name); err != nil {
		f.t.Fatal(err)
	}
	return pgx.Identifier{"views", name}.Sanitize()
}

// keys are those of all rows of a view, whatever their state.
func (f *fixture) keys(view string) []string {
	f.t.Helper()
	m := f.set.View(view)
	rows, err := f.db.Pool.Query(f.t.Context(), `select `+m.Columns[m.Key].Name+` from `+f.table(view)+` order by 1`)
	if err != nil {
		f.t.Fatal(err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		f.t.Fatal(err)
	}
	return keys
}
