package main

import (
	"strings"
	"testing"

	"github.com/readside/readside"
)

// Of a database that another application has, every command keeps its hands off, and
// names both.
func TestEveryCommandRefusesAnotherApplicationsStores(t *testing.T) {
	db, _ := useStores(t)
	contains(t, must(t, readside.ExitOK, "migrate", "up").out, "application: shop")
	if _, err := db.Pool.Exec(t.Context(), `update readside.application set name = 'conference'`); err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, readside.ExitOK, "migrate", "status").out, "application: conference")
	for _, args := range []string{
		"migrate up", "migrate up --application shop", "migrate down", "migrate down --set shop --to 0 --drop-data " + db.Name,
		"project", "serve", "shop", "status", "rebuild order", "rebuild facts", "rebuild order --dry-run", "verify", "verify order",
		"parked list", "parked retry order", "parked discard order o-1", "explain order o-1",
		"events export", "events import", "events tail --until-head",
	} {
		o := run(t, strings.Fields(args)...)
		if o.code != readside.ExitNo || !strings.Contains(o.err, `"conference"`) || !strings.Contains(o.err, `"shop"`) {
			t.Errorf("readside %s: exit code %d, standard error %q", args, o.code, o.err)
		}
	}
	contains(t, must(t, readside.ExitUsage, "migrate", "up", "--application", "conference").err, "program of conference")
	var projectors, applied int
	err := db.Pool.QueryRow(t.Context(), `select (select count(*) from readside.projectors), (select count(*) from public.readside_shop_migrations where version_id > 0)`).Scan(&projectors, &applied)
	if err != nil || projectors != 0 || applied < 5 {
		t.Errorf("they left %d projectors and %d of the shop's migrations, %v", projectors, applied, err)
	}
}

// An operator takes one step back, and names what may go with its rows.
func TestMigrateDown(t *testing.T) {
	db, _ := useStores(t)
	must(t, readside.ExitOK, "migrate", "up")
	if _, err := db.Pool.Exec(t.Context(), `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data) values (1, now(), 1, 'e', 's', 't.T', 'x', '{}')`); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(must(t, readside.ExitOK, "migrate", "down").out, " no\n"); got != 1 {
		t.Errorf("one step took back %d migrations", got)
	}
	contains(t, must(t, readside.ExitUsage, "migrate", "down", "--set", "nonsense").err, "engine or shop")
	contains(t, must(t, readside.ExitUsage, "migrate", "down", "--to", "-1").err, "--to -1")
	contains(t, must(t, readside.ExitNo, "migrate", "down", "--to", "0").err, "set shop stands on it")
	must(t, readside.ExitOK, "migrate", "down", "--set", "shop", "--to", "0")
	contains(t, must(t, readside.ExitNo, "migrate", "down", "--to", "0").err, "eventlog.events", "--drop-data "+db.Name)
	contains(t, must(t, readside.ExitNo, "migrate", "down", "--to", "0", "--drop-data", "nonsense").err, "eventlog.events")
	contains(t, must(t, readside.ExitOK, "migrate", "down", "--to", "0", "--drop-data", db.Name).out, "none yet")
}
