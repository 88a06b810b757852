package migrations_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/migrations"
)

// Version 4 of the engine's set: admission, names and the time of appending.
const beforeAdmission = 3

// oldLog is a database whose log the version before filled.
type oldLog struct {
	t  *testing.T
	db *dbtest.DB
}

func newOldLog(t *testing.T) oldLog {
	t.Helper()
	l := oldLog{t, dbtest.EmptyPostgres(t)}
	l.up()
	l.down()
	// A step down keeps the times of appending. The version before never had them.
	_, err := l.db.Pool.Exec(context.Background(), `alter table eventlog.events drop column appended_at; alter table eventlog.log drop column clocked_from`)
	l.must(err)
	return l
}

func (l oldLog) up() {
	l.t.Helper()
	if err := migrations.Up(context.Background(), l.db.URL, migrations.Engine); err != nil {
		l.t.Fatal(err)
	}
}

func (l oldLog) down() {
	l.t.Helper()
	if err := migrations.DownTo(context.Background(), l.db.URL, migrations.Engine, beforeAdmission, migrations.Permission{}, sets...); err != nil {
		l.t.Fatal(err)
	}
}

func (l oldLog) append(source, id, stream string, version int, at string) error {
	_, err := l.db.Pool.Exec(context.Background(), `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
		values ($1, $2::text::timestamptz, 1, $3, $4, 'test.Noted', $5, '{"a" : 1}')`, version, at, id, source, stream)
	return err
}

func (l oldLog) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l oldLog) text(sql string) (s string) {
	l.t.Helper()
	l.must(l.db.Pool.QueryRow(context.Background(), sql).Scan(&s))
	return s
}

// events are all rows of the log with every column of version 3.
func (l oldLog) events() string {
	l.t.Helper()
	return l.text(`select coalesce(string_agg(concat_ws('|', position, version, time, schema_version, id, source, type, stream, correlation_id, person_id, data), E'\n' order by position), '') from eventlog.events`)
}

func (l oldLog) taken(what string, err error) {
	l.t.Helper()
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23505" || pg.ConstraintName != "events_source_id_key" || !strings.HasPrefix(pg.Detail, "Key (id, source)=(") {
		l.t.Errorf("%s: %v", what, err)
	}
}

func TestALogThatWasFilledBeforeKeepsEveryEvent(t *testing.T) {
	l := newOldLog(t)
	l.must(l.append("shop", "1", "a", 1, "2020-01-01Z"))
	l.must(l.append("shop", "2", "a", 2, "0001-01-01Z"))
	before := l.events()
	for range 2 {
		l.up()
		if diff := cmp.Diff(before, l.events()); diff != "" {
			t.Fatal(diff)
		}
		if n := l.text(`select count(appended_at)::text from eventlog.events`); n != "0" {
			t.Errorf("%s old events have a time of appending, which nobody knows", n)
		}
		l.taken("an id of before", l.append("shop", "1", "b", 1, "2020-01-01Z"))
		l.down()
		if names := l.text(`select string_agg(concat_ws('|', source, id, position), ' ' order by position) from eventlog.imported`); names != "shop|1|1 shop|2|2" {
			t.Errorf("the version before knows %s", names)
		}
	}
	l.up()
	if l.append("shop", "3", "a", 3, "1899-12-31 23:59:59Z") == nil || l.append("shop", "3", "a", 3, "2262-01-01Z") == nil {
		t.Error("a new event has a time that not all stores hold")
	}
	l.must(l.append("shop", "3", "a", 3, "2020-01-01Z"))
	if n := l.text(`select count(appended_at)::text from eventlog.events where appended_at between now() - interval '1 minute' and now()`); n != "1" {
		t.Errorf("%s new events have a time of appending, want 1", n)
	}
	if n := l.text(`select count(*)::text from pg_trigger where tgname = 'events_repeated_id'`); n != "0" {
		t.Error("every insert pays for a trigger that a log without repeated ids does not need")
	}
}

// The version before took an id twice: by a service, and by an import.
func TestRepeatedIDsOfBeforeStayAndNoFurtherOneIsTaken(t *testing.T) {
	l := newOldLog(t)
	l.must(l.append("shop", "once", "a", 1, "2020-01-01Z"))
	l.must(l.append("shop", "twice", "a", 2, "2020-01-01Z"))
	l.must(l.append("shop", "twice", "b", 1, "2021-01-01Z"))
	before := l.events()
	l.up()
	if diff := cmp.Diff(before, l.events()); diff != "" {
		t.Fatal(diff)
	}
	l.taken("an id that was taken twice", l.append("shop", "twice", "c", 1, "2022-01-01Z"))
	l.taken("an id that was taken once", l.append("shop", "once", "c", 1, "2022-01-01Z"))
	l.must(l.append("shop", "new", "c", 1, "2022-01-01Z"))
	l.must(l.append("another", "twice", "d", 1, "2022-01-01Z"))
	l.taken("a new id", l.append("shop", "new", "d", 2, "2022-01-01Z"))
	before = l.events()
	l.down()
	l.up()
	if diff := cmp.Diff(before, l.events()); diff != "" {
		t.Fatal(diff)
	}
}
