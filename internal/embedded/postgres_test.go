package embedded_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/embedded"
)

func startPostgres(t *testing.T, options embedded.PostgresOptions) *embedded.Postgres {
	t.Helper()
	server, err := embedded.StartPostgres(timeout(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func connectPostgres(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(timeout(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// reachableDir is a kept folder that the server's account may enter, as t.TempDir
// is not when the tests run as root.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "readside-kept-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, embedded.PostgresOptions{Settings: map[string]string{"work_mem": "7MB"}})
	conn := connectPostgres(t, server.URL("postgres", embedded.Superuser))
	for name, want := range map[string]string{
		"listen_addresses":          "127.0.0.1",
		"max_prepared_transactions": "20",
		"max_connections":           "200",
		"timezone":                  "UTC",
		"server_encoding":           "UTF8",
		"lc_collate":                "C.UTF-8",
		"fsync":                     "off",
		"work_mem":                  "7MB",
	} {
		var got string
		query := "SELECT current_setting($1)"
		if name == "lc_collate" { // a setting up to version 15 only
			query = "SELECT datcollate FROM pg_database WHERE datname = 'postgres' AND $1 <> ''"
		}
		if err := conn.QueryRow(timeout(t), query, name).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestTwoPostgresAtOnceAreApart(t *testing.T) {
	t.Parallel()
	first, second := startPostgres(t, embedded.PostgresOptions{}), startPostgres(t, embedded.PostgresOptions{})
	one := connectPostgres(t, first.URL("postgres", embedded.Superuser))
	if _, err := one.Exec(timeout(t), "CREATE TABLE mine (n int)"); err != nil {
		t.Fatal(err)
	}
	two := connectPostgres(t, second.URL("postgres", embedded.Superuser))
	_, err := two.Exec(timeout(t), "SELECT * FROM mine")
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "42P01" {
		t.Errorf("the second cluster answered %v, want that the table is unknown", err)
	}
}

// Committed rows survive the death of every process, on the same folder and port,
// and a stop with a new start on a kept folder.
func TestPostgresKeepsWhatItCommitted(t *testing.T) {
	t.Parallel()
	options := embedded.PostgresOptions{Dir: reachableDir(t), Durable: true}
	server := startPostgres(t, options)
	url := server.URL("postgres", embedded.Superuser)
	conn := connectPostgres(t, url)
	if _, err := conn.Exec(timeout(t), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n"); err != nil {
		t.Fatal(err)
	}
	// A backend in the middle of a long statement must not hold the restart up.
	busy := connectPostgres(t, url)
	busyEnded := make(chan error, 1)
	go func() {
		_, err := busy.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 100000000000) AS n")
		busyEnded <- err
	}()
	eventually(t, "the long statement runs", func() bool {
		var n int
		const query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%100000000000%' AND pid <> pg_backend_pid()"
		return conn.QueryRow(timeout(t), query).Scan(&n) == nil && n == 1
	})
	if err := server.Kill(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-busyEnded; err == nil {
		t.Error("a statement outlived the kill")
	}
	if err := server.Restart(timeout(t)); err != nil {
		t.Fatal(err)
	}
	expectKept(t, url)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	expectKept(t, startPostgres(t, options).URL("postgres", embedded.Superuser))
}

func expectKept(t *testing.T, url string) {
	t.Helper()
	var rows int
	if err := connectPostgres(t, url).QueryRow(timeout(t), "SELECT count(*) FROM kept").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows != 1000 {
		t.Errorf("%d rows are there, want 1000", rows)
	}
}

func TestAllowLogins(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, embedded.PostgresOptions{})
	conn := connectPostgres(t, server.URL("postgres", embedded.Superuser))
	if _, err := conn.Exec(timeout(t), "CREATE ROLE clerk NOLOGIN"); err != nil {
		t.Fatal(err)
	}
	url := server.URL("postgres", "clerk")
	if early, err := pgx.Connect(timeout(t), url); err == nil {
		_ = early.Close(timeout(t))
		t.Error("the role logged in before it may")
	}
	if err := server.AllowLogins(timeout(t)); err != nil {
		t.Fatal(err)
	}
	var name string
	if err := connectPostgres(t, url).QueryRow(timeout(t), "SELECT session_user").Scan(&name); err != nil || name != "clerk" {
		t.Errorf("logged in as %q, %v; want clerk", name, err)
	}
}
