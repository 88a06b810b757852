package main

import (
	"compress/gzip"
	"context"
	"io"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/dbtest"
)

// dumps are stores as the version before filled them: a shop of 718 events, four of
// which are parked.
const dumps = "../../testdata/upgrade/"

// Stores that the version before filled go on where they were: migrating changes no
// event, row, checkpoint or fact, nothing is folded anew, and what comes then is right.
func TestStoresOfTheVersionBeforeGoOn(t *testing.T) {
	db, ch := useStores(t)
	dbtest.Postgres(t) // the roles, which are the cluster's
	restorePostgres(t, db)
	restoreClickHouse(t, ch)
	before := contents(t, db, ch)
	if before["eventlog.events"] == "" || before["order_lines_v1_g1"] == "" {
		t.Fatalf("nothing was restored: %v", before)
	}

	contains(t, must(t, readside.ExitOK, "migrate", "up").out, "0010_reactions.sql")
	if after := contents(t, db, ch); !maps.Equal(before, after) {
		t.Errorf("the migrations changed something:\nbefore %v\nafter  %v", before, after)
	}

	projector := start(t, "project")
	must(t, readside.ExitOK, "events", "import", caseFile("b05-null-attribute.jsonl"))
	(&caseRun{db: db}).caughtUp(t)
	contains(t, must(t, readside.ExitOK, "verify").out, "view order version", "fact order_lines", "equals")
	if n := count(t, db, `select count(*) from readside.views where generation > 1`) + count(t, db, `select count(*) from readside.cold_checkpoint where generation > 1`); n > 0 {
		t.Errorf("%d views and facts were built anew", n)
	}
	if n := count(t, db, `select count(*) from readside.parked`); n != 4 {
		t.Errorf("%d events are parked, want the 4 of before", n)
	}
	projector.stop(t)
}

// restorePostgres loads the dump, as if the server were the one that it was made on.
func restorePostgres(t *testing.T, db *dbtest.DB) {
	t.Helper()
	conn, err := db.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, sql := range []string{unzipped(t, "v1-postgres.sql.gz"), `
update eventlog.incarnations set relation = 'eventlog.events'::regclass::oid,
  system_identifier = (select system_identifier from pg_control_system()),
  database = (select oid from pg_database where datname = current_database())`, `
do $$ declare made text; begin -- the dump has no owners
  for made in select format('views.%I', tablename) from pg_tables where schemaname = 'views' loop
    execute 'alter table ' || made || ' owner to readside_projector';
  end loop;
end $$`, "discard all"} {
		if err := conn.Conn().PgConn().Exec(t.Context(), sql).Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// databases are the names that stand before a table's in the dump of ClickHouse.
var databases = regexp.MustCompile(`\b(readside|mart)\.`)

func restoreClickHouse(t *testing.T, ch *dbtest.CH) {
	t.Helper()
	mart := ch.Database + "_mart"
	t.Cleanup(func() {
		if err := ch.Conn.Exec(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS "+mart); err != nil {
			t.Error(err)
		}
	})
	if err := ch.Conn.Exec(t.Context(), "CREATE DATABASE "+mart); err != nil {
		t.Fatal(err)
	}
	own := map[string]string{"readside.": ch.Database + ".", "mart.": mart + "."}
	for _, statement := range strings.Split(unzipped(t, "v1-clickhouse.sql.gz"), "\n;;\n") {
		if strings.HasPrefix(statement, "CREATE DATABASE") {
			continue
		}
		statement = databases.ReplaceAllStringFunc(statement, func(name string) string { return own[name] })
		if err := ch.Conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%.80s: %v", statement, err)
		}
	}
}

func unzipped(t *testing.T, name string) string {
	t.Helper()
	file, err := os.Open(dumps + name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zipped)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// contents are digests of all that must not change, by table.
func contents(t *testing.T, db *dbtest.DB, ch *dbtest.CH) map[string]string {
	t.Helper()
	digests := map[string]string{}
	digest := func(name, columns string) {
		t.Helper()
		var sum *string
		err := db.Pool.QueryRow(t.Context(), `select md5(string_agg(r::text, chr(10) order by r::text)) from (select `+columns+` from `+name+`) r`).Scan(&sum)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if sum != nil {
			digests[name] = *sum
		}
	}
	digest("eventlog.events", "position, version, time, schema_version, id, source, type, stream, correlation_id, causation_id, traceparent, person_id, data::text")
	digest("readside.projectors", "name, log, incarnation, place, epoch, state")
	digest("readside.parked", "*")
	digest("readside.degraded", "*")
	digest("readside.cold_checkpoint", "name, log, incarnation, place, generation, shown_generation")
	digest("readside.cold_ledger", "batch, projector, table_name, partition, rows, hash, state")
	rows, err := db.Pool.Query(t.Context(), `select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('views', 'shop_basket', 'shop_catalog', 'shop_identity', 'shop_ordering', 'shop_payment') order by 1`)
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	for _, name := range tables {
		digest(name, "*")
	}
	for _, fact := range []string{"basket_events_v1_g1", "order_lines_v1_g1", "payments_v1_g1", "price_changes_v1_g1"} {
		var sum string
		if err := ch.Conn.QueryRow(t.Context(), "SELECT concat(toString(count()), ' ', toString(sum(cityHash64(*)))) FROM "+fact).Scan(&sum); err != nil {
			t.Fatal(err)
		}
		digests[fact] = sum
	}
	return digests
}
