package application_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections/application"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Every role that a program connects as compares the application, and none changes it.
func TestEveryRoleIsRefusedAnotherApplicationsDatabase(t *testing.T) {
	db := dbtest.Postgres(t)
	for _, role := range []string{"readside_projector", "readside_query", "readside_importer", "shop_identity", "shop_ordering"} {
		config, err := pgx.ParseConfig(db.RoleURL(role))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.ConnectConfig(t.Context(), application.Guard(config, dbtest.Application))
		if err != nil {
			t.Errorf("%s: %v", role, err)
			continue
		}
		if err := application.Check(t.Context(), conn, "conference"); !application.Refused(err) {
			t.Errorf("%s: the check returned %v", role, err)
		}
		if _, err := conn.Exec(t.Context(), `update readside.application set name = 'conference'`); err == nil {
			t.Errorf("%s may change whose the database is", role)
		}
		_ = conn.Close(t.Context())
		_, err = pgx.ConnectConfig(t.Context(), application.Guard(config, "conference"))
		var other *application.OtherError
		if !errors.As(err, &other) || other.Owner != dbtest.Application || other.Asks != "conference" {
			t.Errorf("%s connected as conference: %v", role, err)
		}
	}
}

func TestADatabaseOfNoApplicationIsRefused(t *testing.T) {
	db := dbtest.Postgres(t)
	if _, err := db.Pool.Exec(t.Context(), `delete from readside.application`); err != nil {
		t.Fatal(err)
	}
	err := application.Check(t.Context(), db.Pool, "shop")
	if !application.Refused(err) || !strings.Contains(err.Error(), "migrate") {
		t.Errorf("the check returned %v", err)
	}
	empty := dbtest.EmptyPostgres(t)
	if err := application.Check(t.Context(), empty.Pool, "shop"); err == nil || !strings.Contains(err.Error(), "migrate") {
		t.Errorf("of a database without tables the check returned %v", err)
	}
}

// The first application has the database for good; recording it again changes nothing.
func TestADatabaseIsRecordedOnce(t *testing.T) {
	db := dbtest.EmptyPostgres(t)
	if err := migrations.Up(t.Context(), db.URL, migrations.Engine); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, db.URL)
	for range 2 {
		if err := (application.Claim{Name: "conference"}).Record(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
	}
	for _, claim := range []application.Claim{{Name: "shop"}, {Name: "shop", Named: true}} {
		var other *application.OtherError
		if err := claim.Record(t.Context(), conn); !errors.As(err, &other) {
			t.Errorf("%+v: %v", claim, err)
		}
	}
	if name, err := application.Recorded(t.Context(), conn); err != nil || name != "conference" {
		t.Errorf("it is recorded as %q, %v", name, err)
	}
	if err := (application.Claim{Name: "Shop!"}).Record(t.Context(), conn); err == nil {
		t.Error("a name that is none was recorded")
	}
}

// A database that the version before filled goes to an application that defines all
// that is in it, or that an operator names.
func TestAFilledDatabaseIsRecognisedByItsNames(t *testing.T) {
	db := dbtest.Postgres(t)
	conn := connect(t, db.URL)
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	shop := application.Claim{Name: "shop", Views: []string{"order", "product"}, Facts: []string{"sales"}}
	exec(`delete from readside.application`)
	if err := shop.Fits(t.Context(), conn); err != nil {
		t.Errorf("an empty database: %v", err)
	}
	exec(`insert into eventlog.events (version, time, schema_version, id, source, type, stream, data) values (1, now(), 1, 'e', 's', 't.T', 'x', '{}')`)
	unclear(t, conn, shop, "no view or fact")
	exec(`insert into readside.projectors (name, base, log, incarnation, place) values ('main@1', 'main', gen_random_uuid(), 1, 0)`)
	exec(`insert into readside.views (view, version, generation, projector, table_name, fingerprint, state) values ('order', 1, 1, 'main@1', 'order_v1_g1', 'f', 'live')`)
	if err := shop.Fits(t.Context(), conn); err != nil {
		t.Errorf("with a view of its own: %v", err)
	}
	exec(`insert into readside.views (view, version, generation, projector, table_name, fingerprint, state) values ('talk', 1, 1, 'main@1', 'talk_v1_g1', 'f', 'retired')`)
	unclear(t, conn, shop, "talk")
	shop.Named = true
	if err := shop.Record(t.Context(), conn); err != nil {
		t.Errorf("named by an operator: %v", err)
	}
}

func unclear(t *testing.T, conn *pgx.Conn, claim application.Claim, why string) {
	t.Helper()
	err := claim.Record(t.Context(), conn)
	var e *application.UnclearError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), why) {
		t.Errorf("want an unclear owner because of %q, got %v", why, err)
	}
}
