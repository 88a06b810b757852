package migrations_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/migrations"
)

// A provider of a managed Postgres gives a login that may make roles and owns the
// database, and nothing more.
func TestMigrationsNeedNoSuperuser(t *testing.T) {
	server := dbtest.PostgresServer(t, embedded.PostgresOptions{})
	admin := func(sql string) {
		t.Helper()
		conn := connect(t, server.URL("postgres", embedded.Superuser))
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := server.CreateRole(t.Context(), "manager", "CREATEROLE"); err != nil {
		t.Fatal(err)
	}
	admin(`create database managed owner manager`)
	managed := server.URL("managed", "manager")
	if err := migrations.Up(t.Context(), managed, sets...); err != nil {
		t.Fatal(err)
	}
	// Each program has a login of its own, a member of the program's role.
	conn := connect(t, managed)
	for _, program := range []string{"projector", "query", "importer"} {
		for _, sql := range []string{`create role login_` + program + ` login password '` + passwordOf(t, server.URL("managed", "login_"+program)) + `'`, `grant readside_` + program + ` to login_` + program} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	admin(`grant pg_signal_backend, pg_read_all_stats to manager`)
	as := func(login, role string) *pgx.Conn {
		t.Helper()
		return connect(t, server.URL("managed", login)+"&role="+url.QueryEscape(role))
	}
	projector, second, query := as("login_projector", "readside_projector"), as("login_projector", "readside_projector"), as("login_query", "readside_query")
	for _, step := range []struct {
		on  *pgx.Conn
		sql string
	}{
		{projector, `select * from eventlog.open_log()`},
		{projector, `create table views.order_v1_g1 (id text)`},
		{query, `select id from views.order_v1_g1`},
		{query, `select name from readside.application`},
		{as("login_importer", "readside_importer"), `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data) values (1, now(), 1, 'e', 'another', 't.T', 's', '{}')`},
		{projector, `insert into readside.projectors (name, base, log, incarnation, place) values ('p', 'p', gen_random_uuid(), 1, 0)`},
		{projector, `insert into readside.leases (projector, owner, host, process, backend_pid, backend_start, expires_at)
			select 'p', gen_random_uuid(), '', 1, pg_backend_pid(), readside.own_backend_start(), now()`},
	} {
		if _, err := step.on.Exec(t.Context(), step.sql); err != nil {
			t.Errorf("%s: %v", step.sql, err)
		}
	}
	var lives, ended bool
	if err := second.QueryRow(t.Context(), `select readside.owner_lives('p')`).Scan(&lives); err != nil || !lives {
		t.Errorf("the owner lives: %v, %v", lives, err)
	}
	if err := second.QueryRow(t.Context(), `select readside.end_owner('p')`).Scan(&ended); err != nil || !ended {
		t.Errorf("the owner was ended: %v, %v", ended, err)
	}
	if err := projector.Ping(t.Context()); err == nil {
		t.Error("the former owner's server process lives on")
	}
	if err := migrations.DownTo(t.Context(), managed, migrations.Shop, 0, migrations.Permission{}, sets...); err != nil {
		t.Error(err)
	}
	if err := migrations.DownTo(t.Context(), managed, migrations.Engine, 0, migrations.Permission{DropData: "managed"}, sets...); err != nil {
		t.Error(err)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// passwordOf is the password that an address of the embedded Postgres gives a login.
func passwordOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return password
}
