package dbtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestPostgresDatabasesAreIsolated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := dbtest.Postgres(t)
			// The same name in every database: a shared one would refuse the second.
			if _, err := db.Pool.Exec(ctx, "CREATE TABLE mine (n int)"); err != nil {
				t.Fatal(err)
			}
			var name string
			if err := db.Pool.QueryRow(ctx, "SELECT current_database()").Scan(&name); err != nil {
				t.Fatal(err)
			}
			if name != db.Name {
				t.Errorf("connected to %s, want %s", name, db.Name)
			}
		})
	}
}

func TestPostgresIsMigratedAndEmptyPostgresIsNot(t *testing.T) {
	t.Parallel()
	const query = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'eventlog'"
	schemas := func(db *dbtest.DB) (n int) {
		t.Helper()
		if err := db.Pool.QueryRow(context.Background(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := schemas(dbtest.EmptyPostgres(t)); n != 0 {
		t.Errorf("EmptyPostgres has %d eventlog schemas, want 0", n)
	}
	if n := schemas(dbtest.Postgres(t)); n != 1 {
		t.Errorf("Postgres has %d eventlog schemas, want 1", n)
	}
}

func TestRoleConnectsAsThatRole(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.EmptyPostgres(t)
	role := db.NewRole(t, "")
	var user, database string
	query := "SELECT current_user, current_database()"
	if err := db.Role(t, role).QueryRow(ctx, query).Scan(&user, &database); err != nil {
		t.Fatal(err)
	}
	if user != role || database != db.Name {
		t.Errorf("connected as %s to %s, want %s and %s", user, database, role, db.Name)
	}
}

// Every role that the migrations made can log in and owns no superuser's rights.
func TestMigratedRolesAreReachable(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.Postgres(t)
	rows, err := db.Pool.Query(ctx, `SELECT rolname FROM pg_roles WHERE rolname LIKE 'readside%' OR rolname LIKE 'shop\_%'`)
	if err != nil {
		t.Fatal(err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(roles) == 0 {
		t.Fatal("the migrations made no role")
	}
	for _, role := range roles {
		var super bool
		query := "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
		if err := db.Role(t, role).QueryRow(ctx, query).Scan(&super); err != nil {
			t.Errorf("%s: %v", role, err)
		}
		if super {
			t.Errorf("%s is a superuser", role)
		}
	}
}

// A prepared transaction belongs to no session and would keep its database for ever.
func TestDatabaseWithAPreparedTransactionIsDropped(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var name string
	t.Run("a test that leaves one", func(t *testing.T) {
		db := dbtest.EmptyPostgres(t)
		name = db.Name
		if _, err := db.Pool.Exec(ctx, "BEGIN; CREATE TABLE left_open (n int); PREPARE TRANSACTION '"+name+"'"); err != nil {
			t.Fatal(err)
		}
	})
	var databases int
	query := "SELECT count(*) FROM pg_database WHERE datname = $1"
	if err := dbtest.EmptyPostgres(t).Pool.QueryRow(ctx, query, name).Scan(&databases); err != nil {
		t.Fatal(err)
	}
	if databases != 0 {
		t.Error("the database is still there")
	}
}
