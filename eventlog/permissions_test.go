package eventlog_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

// TestForgery tries, as a service's role, all that only others may do.
func TestForgery(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	appendTo(t, log, db.Pool, "s", 0, 1)
	service := db.Role(t, "readside_appender")
	const insert = `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data) `
	const values = `now(), 1, 'i', 'readside_appender', 'test.Noted', 'forged', '{}')`
	for name, sql := range map[string]string{
		"an event as another source":  insert + `values (1, now(), 1, 'i', 'shop_catalog', 'test.Noted', 'forged', '{}')`,
		"a chosen place":              `insert into eventlog.events (position, version, time, schema_version, id, source, type, stream, data) overriding system value values (77, 1, ` + values,
		"a chosen time of appending":  `insert into eventlog.events (appended_at, version, time, schema_version, id, source, type, stream, data) values (now(), 1, ` + values,
		"changing an event":           `update eventlog.events set data = '{}'`,
		"deleting an event":           `delete from eventlog.events`,
		"truncating":                  `truncate eventlog.events`,
		"drawing a place":             `select nextval('eventlog.events_position_seq')`,
		"setting the sequence":        `select setval('eventlog.events_position_seq', 1)`,
		"settling":                    `select eventlog.settle(1)`,
		"moving the settled place":    `update eventlog.settled set position = 1000`,
		"another incarnation":         `update eventlog.log set incarnation = 1`,
		"forgetting incarnations":     `delete from eventlog.incarnations`,
		"pretending to have imported": `insert into eventlog.imported values ('a', 'b', 1)`,
		"becoming the importer":       `set role readside_importer`,
		"locking out others":          `lock table eventlog.events in access exclusive mode`,
		"a version below one":         insert + `values (0, ` + values,
		"data that is no object":      insert + `values (1, now(), 1, 'i', 'readside_appender', 'test.Noted', 'forged', '[]')`,
		"a time without a place":      insert + `values (1, 'infinity', 1, 'i', 'readside_appender', 'test.Noted', 'forged', '{}')`,
		"making tables in the schema": `create table eventlog.mine (n integer)`,
		"copying into the log":        `copy eventlog.events (version, time, schema_version, id, source, type, stream, data) from stdin`,
	} {
		_, err := service.Exec(bounded(t), sql)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) {
			t.Errorf("%s: %v, want Postgres' refusal", name, err)
		}
	}
	// What it may do, so that the refusals above are not those of a broken statement.
	if _, err := service.Exec(bounded(t), insert+`values (1, `+values); err != nil {
		t.Error("an event of its own:", err)
	}
	if n := len(readAll(t, open(t, service), eventlog.Query{})); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	if _, err := db.Role(t, "readside_reader").Exec(bounded(t), insert+`values (2, `+values); err == nil {
		t.Error("a reader appended")
	}
}

func TestAppendRefusesWhatTheLogMustNotHold(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	long := string(make([]byte, 201))
	for name, change := range map[string]func(*eventlog.Event, *eventlog.Append){
		"a key twice":      func(e *eventlog.Event, _ *eventlog.Append) { e.Data = []byte(`{"a":{"b":1,"b":2}}`) },
		"invalid UTF-8":    func(e *eventlog.Event, _ *eventlog.Append) { e.Data = []byte("{\"a\":\"\xff\"}") },
		"NUL":              func(e *eventlog.Event, _ *eventlog.Append) { e.Data = []byte(`{"a":"\\\u0000"}`) },
		"no object":        func(e *eventlog.Event, _ *eventlog.Append) { e.Data = []byte(`[]`) },
		"no data":          func(e *eventlog.Event, _ *eventlog.Append) { e.Data = nil },
		"two objects":      func(e *eventlog.Event, _ *eventlog.Append) { e.Data = []byte(`{}{}`) },
		"too large":        func(e *eventlog.Event, _ *eventlog.Append) { e.Data = make([]byte, eventlog.DataBytesMax+1) },
		"no id":            func(e *eventlog.Event, _ *eventlog.Append) { e.ID = "" },
		"a long id":        func(e *eventlog.Event, _ *eventlog.Append) { e.ID = long },
		"a broken id":      func(e *eventlog.Event, _ *eventlog.Append) { e.ID = "\xff" },
		"no type":          func(e *eventlog.Event, _ *eventlog.Append) { e.Type = "" },
		"schema version 0": func(e *eventlog.Event, _ *eventlog.Append) { e.SchemaVersion = 0 },
		"no stream":        func(_ *eventlog.Event, a *eventlog.Append) { a.Stream = "" },
	} {
		a := eventlog.Append{Stream: "s", Events: newEvents(t, 1)}
		change(&a.Events[0], &a)
		_, err := tryAppend(bounded(t), log, db.Pool, a)
		var invalid *eventlog.InvalidEventError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v, want an InvalidEventError", name, err)
		}
	}
	if _, err := eventlog.NewEvent(noted{Text: "\xff"}, eventlog.Meta{}); err == nil {
		t.Error("text that is not UTF-8 became other text")
	}
}
