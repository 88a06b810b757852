package migrations_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/migrations"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// These tests run one after another: roles belong to the whole server, and two
// databases of it are not migrated at the same time.

var sets = []migrations.Set{migrations.Engine, migrations.Shop}

func status(t *testing.T, url string) (applied, pending int) {
	t.Helper()
	rows, err := migrations.Status(context.Background(), url, sets...)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Applied != !row.AppliedAt.IsZero() {
			t.Errorf("%+v: applied and its time disagree", row)
		}
		if row.Applied {
			applied++
		} else {
			pending++
		}
	}
	return applied, pending
}

// objects counts what the migrations made in the database, their own tables aside.
func objects(t *testing.T, db *dbtest.DB) (n int) {
	t.Helper()
	const query = `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
		AND c.relname NOT LIKE 'readside%migrations%'`
	if err := db.Pool.QueryRow(context.Background(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUpDownUp(t *testing.T) {
	ctx := context.Background()
	db := dbtest.EmptyPostgres(t)
	if applied, pending := status(t, db.URL); applied != 0 || pending == 0 {
		t.Fatalf("before: %d applied, %d pending", applied, pending)
	}
	for range 2 {
		if err := migrations.Up(ctx, db.URL, sets...); err != nil {
			t.Fatal(err)
		}
		if applied, pending := status(t, db.URL); applied == 0 || pending != 0 {
			t.Errorf("after Up: %d applied, %d pending", applied, pending)
		}
		if objects(t, db) == 0 {
			t.Error("Up made nothing")
		}
		if err := migrations.Down(ctx, db.URL, sets...); err != nil {
			t.Fatal(err)
		}
		if n := objects(t, db); n != 0 {
			t.Errorf("Down left %d objects", n)
		}
	}
}

func TestSetsAreApart(t *testing.T) {
	ctx := context.Background()
	db := dbtest.EmptyPostgres(t)
	if err := migrations.Up(ctx, db.URL, migrations.Engine); err != nil {
		t.Fatal(err)
	}
	rows, err := migrations.Status(ctx, db.URL, sets...)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if want := row.Set == migrations.Engine.String(); row.Applied != want {
			t.Errorf("%+v: applied is %v, want %v", row, row.Applied, want)
		}
	}
}

func TestTwoMigratorsAtOnce(t *testing.T) {
	db := dbtest.EmptyPostgres(t)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := migrations.Up(context.Background(), db.URL, sets...); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if _, pending := status(t, db.URL); pending != 0 {
		t.Errorf("%d migrations are pending", pending)
	}
}

// Roles and who is a member of which are the cluster's: one database that goes takes
// no right from the services of another.
func TestDownTakesNoRightsFromOtherDatabases(t *testing.T) {
	ctx := context.Background()
	stays, goes := dbtest.EmptyPostgres(t), dbtest.EmptyPostgres(t)
	for _, db := range []*dbtest.DB{stays, goes} {
		if err := migrations.Up(ctx, db.URL, sets...); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrations.Down(ctx, goes.URL, sets...); err != nil {
		t.Fatal(err)
	}
	var without []string
	err := stays.Pool.QueryRow(ctx, `select coalesce(array_agg(role), '{}') from unnest(array['shop_identity', 'shop_catalog',
		'shop_basket', 'shop_ordering', 'shop_payment', 'readside_projector']) as role
		where not has_table_privilege(role, 'eventlog.events', 'select')`).Scan(&without)
	if err != nil || len(without) > 0 {
		t.Errorf("cannot read the log any more: %v, %v", without, err)
	}
}

// What a fault says may hold what an event holds: the query API's role reads that
// there is one, and not what it says.
func TestQueriesDoNotReadWhatErrorsSay(t *testing.T) {
	ctx := context.Background()
	db := dbtest.Postgres(t)
	for column, want := range map[string]bool{
		"readside.projectors.state": true, "readside.projectors.fault": false,
		"readside.cold_checkpoint.state": true, "readside.cold_checkpoint.fault": false,
		"readside.parked.state": true, "readside.parked.error": false, "readside.parked.reason": false, "readside.parked.hint": false,
	} {
		var may bool
		table, name := column[:strings.LastIndex(column, ".")], column[strings.LastIndex(column, ".")+1:]
		if err := db.Pool.QueryRow(ctx, `select has_column_privilege('readside_query', $1, $2, 'select')`, table, name).Scan(&may); err != nil {
			t.Fatal(err)
		}
		if may != want {
			t.Errorf("readside_query may read %s: %v, want %v", column, may, want)
		}
	}
}
