package dbtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/embedded"
)

// poolConnsMax bounds a test's pool: many tests share one server's connections.
const poolConnsMax = 16

// DB is a test's own database; Pool belongs to its owner, a superuser.
type DB struct {
	URL  string
	Pool *pgxpool.Pool
	Name string

	server *postgresServer
}

// Application is the one that tests' databases belong to: the reference shop's.
const Application = "shop"

// Postgres is a fresh database of Application with all migrations, dropped when the test
// ends.
func Postgres(t testing.TB) *DB {
	t.Helper()
	server := sharedPostgres(t)
	template, err := server.migratedTemplate()
	if err != nil {
		t.Fatalf("dbtest: migrate the template database: %v", err)
	}
	return server.database(t, template)
}

// PostgresOf is like Postgres, for another application.
func PostgresOf(t testing.TB, application string) *DB {
	t.Helper()
	db := Postgres(t)
	ctx, cancel := context.WithTimeout(context.Background(), queryWait)
	defer cancel()
	if _, err := db.Pool.Exec(ctx, "update readside.application set name = $1", application); err != nil {
		t.Fatalf("dbtest: record the application: %v", err)
	}
	return db
}

// EmptyPostgres is a fresh database without migrations, dropped when the test ends.
func EmptyPostgres(t testing.TB) *DB {
	t.Helper()
	return sharedPostgres(t).database(t, "template1")
}

// PostgresServer is a cluster of its own for tests that kill, restore or fill one.
func PostgresServer(t testing.TB, options embedded.PostgresOptions) *embedded.Postgres {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	server, err := embedded.StartPostgres(ctx, onGround(options))
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	return server
}

// NewRole makes a role of the test's own, which is dropped with all that it owns when
// the test ends. Attributes are those of SQL's CREATE ROLE, such as "CREATEROLE".
func (d *DB) NewRole(t testing.TB, attributes string) string {
	t.Helper()
	role := unused("readside_test_role")
	ctx, cancel := context.WithTimeout(context.Background(), queryWait)
	defer cancel()
	if err := d.server.createRole(ctx, role, attributes); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), queryWait)
		defer cancel()
		_, err := d.Pool.Exec(ctx, "DROP OWNED BY "+role+" CASCADE")
		if err == nil {
			_, err = d.Pool.Exec(ctx, "DROP ROLE "+role)
		}
		if err != nil {
			t.Errorf("dbtest: drop the test's role: %v", err)
		}
	})
	return role
}

// RoleURL addresses the database as another role: one of the migrations or of NewRole.
func (d *DB) RoleURL(role string) string { return d.server.roleURL(d.Name, role) }

// Role is a pool of another role, closed when the test ends.
func (d *DB) Role(t testing.TB, role string) *pgxpool.Pool {
	t.Helper()
	return openPool(t, d.RoleURL(role))
}

// openPool connects once, so that a refusal fails the test here and not later.
func openPool(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	config.MaxConns = poolConnsMax
	ctx, cancel := context.WithTimeout(context.Background(), queryWait)
	defer cancel()
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(pool.Close)
	if err := pool.Ping(ctx); err != nil {
		t.Fatalf("dbtest: connect to %s as %s: %v", config.ConnConfig.Database, config.ConnConfig.User, err)
	}
	return pool
}

func randomHex() string {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	return hex.EncodeToString(random[:])
}
