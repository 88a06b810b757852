package conference

import (
	"bytes"
	"context"
	"go/format"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/projectiontest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// story is one person in three contexts; what the programme and payment say comes
// before the registration, as it may.
var story = []eventlog.Typed{
	TalkAccepted{"t-1", "ada", "Notes on the engine"},
	TicketPaid{"k-1", "ada", 4200},
	PersonRegistered{"ada", "Ada Byron"},
	PersonRegistered{"bob", "Bob"},
	TicketPaid{"k-2", "bob", 100},
	PersonRenamed{"ada", "Ada Lovelace"},
	TalkAccepted{"t-2", "ada", "More notes"},
}

var (
	wantAda  = Person{ID: "ada", Name: "Ada Lovelace", Paid: 4200, Talks: 2}
	wantTalk = Talk{ID: "t-1", Title: "Notes on the engine", Speaker: "ada", Name: "Ada Lovelace"}
)

// TestOneSmallFile keeps the promise that a domain is one small file.
func TestOneSmallFile(t *testing.T) {
	src, err := os.ReadFile("conference.go")
	if err != nil {
		t.Fatal(err)
	}
	formatted, err := format.Source(src)
	if err != nil || !bytes.Equal(src, formatted) {
		t.Errorf("conference.go is not as gofmt writes it (%v)", err)
	}
	lines := 0
	for line := range strings.Lines(string(src)) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > 60 {
		t.Errorf("conference.go has %d lines that are not blank, want at most 60", lines)
	}
}

func TestWithoutADatabase(t *testing.T) {
	set, err := Views()
	if err != nil {
		t.Fatal(err)
	}
	rows := projectiontest.Fold(t, set, story...)
	if ada := projectiontest.Row[Person](t, rows, "person", "ada"); *ada != wantAda {
		t.Errorf("got %+v, want %+v", *ada, wantAda)
	}
	if talk := projectiontest.Row[Talk](t, rows, "talk", "t-1"); *talk != wantTalk {
		t.Errorf("got %+v, want %+v", *talk, wantTalk)
	}
}

// TestThroughTheEngine appends the story in two halves, each folded by a projector of
// its own life, and reads the tables.
func TestThroughTheEngine(t *testing.T) {
	t.Parallel()
	set, err := Views()
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.PostgresOf(t, Application)
	log, err := eventlog.Open(t.Context(), db.Role(t, "readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(db.RoleURL("readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]int64{}
	for _, half := range [][]eventlog.Typed{story[:4], story[4:]} {
		project(t, log, config, set, publish(t, db, log, versions, half))
	}

	var ada Person
	query(t, db, "person_v1_g1", "ada", "id, name, paid_cents, talks", &ada.ID, &ada.Name, &ada.Paid, &ada.Talks)
	if ada != wantAda {
		t.Errorf("got %+v, want %+v", ada, wantAda)
	}
	var talk Talk
	query(t, db, "talk_v1_g1", "t-1", "id, title, speaker, speaker_name", &talk.ID, &talk.Title, &talk.Speaker, &talk.Name)
	if talk != wantTalk {
		t.Errorf("got %+v, want %+v", talk, wantTalk)
	}
	verify(t, log, config, set)
}

// publish appends events as the three contexts would, each to a stream of its own.
func publish(t *testing.T, db *dbtest.DB, log *eventlog.Log, versions map[string]int64, events []eventlog.Typed) eventlog.Position {
	t.Helper()
	var last eventlog.Position
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		for _, e := range events {
			ev, err := eventlog.NewEvent(e, eventlog.Meta{})
			if err != nil {
				return err
			}
			name, _ := e.EventType()
			stream, _, _ := strings.Cut(name, ".")
			last, err = log.Append(t.Context(), tx, eventlog.Append{Stream: stream, Expected: versions[stream], Events: []eventlog.Event{ev}})
			if err != nil {
				return err
			}
			versions[stream]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// project runs the engine until its checkpoint has reached until.
func project(t *testing.T, log *eventlog.Log, postgres *pgx.ConnConfig, set *projections.Set, until eventlog.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	reached := false
	cfg := engine.Config{Application: Application, Log: log, Postgres: postgres, Set: set}
	cfg.Observer.Folded = func(f engine.Folded) {
		if f.Position.Place() >= until.Place() {
			reached = true
			cancel()
		}
	}
	p, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(ctx); err != nil || !reached {
		t.Fatalf("the projector stopped before %v: %v", until, err)
	}
}

func query(t *testing.T, db *dbtest.DB, table, key, columns string, into ...any) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), "select "+columns+" from views."+table+" where id = $1 and _state = 2", key).Scan(into...); err != nil {
		t.Fatalf("read %s of views.%s: %v", key, table, err)
	}
}

func verify(t *testing.T, log *eventlog.Log, config *pgx.ConnConfig, set *projections.Set) {
	t.Helper()
	found, err := engine.Verify(t.Context(), engine.VerifyConfig{Application: Application, Projector: "main", Log: log, Postgres: config, Set: set})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		if !v.OK() {
			t.Errorf("view %s is not what the log says: %+v", v.View, v.Differences)
		}
	}
}
