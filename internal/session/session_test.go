package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/session"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// hostile are settings that a database or a role may have by default, and what a
// connection has nevertheless.
var hostile = []struct{ name, set, want string }{
	{"statement_timeout", "2s", "0"},
	{"lock_timeout", "2s", "0"},
	{"idle_in_transaction_session_timeout", "2s", "0"},
	{"idle_session_timeout", "1h", "0"},
	{"default_transaction_isolation", "serializable", "read committed"},
	{"default_transaction_read_only", "on", "off"},
	{"default_transaction_deferrable", "on", "off"},
	{"extra_float_digits", "-15", "1"},
	{"DateStyle", "SQL, DMY", "ISO, MDY"},
	{"IntervalStyle", "sql_standard", "postgres"},
	{"TimeZone", "Australia/Lord_Howe", "UTC"},
	{"bytea_output", "escape", "hex"},
	{"standard_conforming_strings", "off", "on"},
	{"transform_null_equals", "on", "off"},
	{"search_path", "pg_temp", `"$user", public`},
	{"row_security", "off", "on"},
	{"synchronous_commit", "off", "on"},
	{"jit", "on", "off"},
}

// Whatever the database and the role set, a connection has what the programs count on.
func TestASessionDoesNotDependOnDefaults(t *testing.T) {
	t.Parallel()
	db := dbtest.EmptyPostgres(t)
	admin, err := db.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Release()
	name := pgx.Identifier{db.Name}.Sanitize()
	defer func() {
		if _, err := admin.Exec(context.WithoutCancel(t.Context()), "alter database "+name+" reset all"); err != nil {
			t.Error(err)
		}
	}()
	for _, h := range hostile {
		value := "'" + h.set + "'"
		if strings.Contains(h.set, ", ") {
			value = h.set
		}
		if _, err := admin.Exec(t.Context(), fmt.Sprintf("alter database %s set %s = %s", name, h.name, value)); err != nil {
			t.Fatalf("%s: %v", h.name, err)
		}
	}
	config := db.Pool.Config().ConnConfig.Copy()
	session.Prepare(&config.Config, session.Needs{Durable: true, Settings: map[string]string{"work_mem": "1MB"}})
	session.Prepare(&config.Config, session.Needs{Durable: true}) // a library prepares what its caller did
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, h := range hostile {
		var got string
		if err := conn.QueryRow(t.Context(), "select current_setting($1)", h.name).Scan(&got); err != nil || got != h.want {
			t.Errorf("%s is %q (%v), want %q", h.name, got, err, h.want)
		}
	}
	var memory string
	if err := conn.QueryRow(t.Context(), "show work_mem").Scan(&memory); err != nil || memory != "1MB" {
		t.Errorf("work_mem is %q (%v), want 1MB", memory, err)
	}
}

// An address of several hosts that wants the one that can be written to finds it also for
// those who only read.
func TestAReaderFindsTheServerThatCanBeWrittenTo(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	config, err := pgx.ParseConfig(db.URL + "&target_session_attrs=read-write")
	if err != nil {
		t.Fatal(err)
	}
	session.Prepare(&config.Config, session.Needs{ReadOnly: true})
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var readOnly string
	if err := conn.QueryRow(t.Context(), "show transaction_read_only").Scan(&readOnly); err != nil || readOnly != "on" {
		t.Errorf("its transactions are read only: %q, %v", readOnly, err)
	}
}

// The role that an address asks for is set and looked at, and a role that cannot be had
// is refused with Postgres' own code.
func TestASessionActsAsItsRole(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	for role, code := range map[string]string{"readside_query": "", "nobody_has_this_role": "22023"} {
		config := db.Pool.Config().ConnConfig.Copy()
		config.RuntimeParams["role"] = role
		session.Prepare(&config.Config, session.Needs{ReadOnly: true})
		conn, err := pgx.ConnectConfig(t.Context(), config)
		var pg *pgconn.PgError
		if code != "" {
			if !errors.As(err, &pg) || pg.Code != code {
				t.Errorf("%s: %v, want the code %s", role, err, code)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var user string
		if err := conn.QueryRow(t.Context(), "select current_user").Scan(&user); err != nil || user != role {
			t.Errorf("acts as %q (%v), want %q", user, err, role)
		}
		if _, err := conn.Exec(t.Context(), "create table public.t ()"); !errors.As(err, &pg) || pg.Code != "25006" {
			t.Errorf("a read-only connection writes: %v", err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Every code has a class, by its longest beginning; unknown ones are permanent.
func TestClassesOfErrors(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]session.Class{
		"08006": session.Transient, "40001": session.Transient, "40P01": session.Transient, "53300": session.Transient, "55P03": session.Transient,
		"57P01": session.Transient, "57014": session.Transient, "58030": session.Transient, "25P03": session.Transient, "XX000": session.Transient,
		"22001": session.Data, "22P02": session.Data, "54000": session.Data, "23505": session.Constraint,
		"42501": session.Permanent, "42P01": session.Permanent, "3D000": session.Permanent, "28P01": session.Permanent, "22023": session.Permanent,
		"25006": session.Permanent, "57P04": session.Permanent, "ZZ999": session.Permanent,
	} {
		got, of := session.ClassOf(fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code}))
		if got != want || of != code {
			t.Errorf("%s is %s, want %s", code, got, want)
		}
	}
	if got, _ := session.ClassOf(context.Canceled); got != session.None {
		t.Errorf("an error that is none of Postgres is %s", got)
	}
	if got, _ := session.ClassOf(&session.Error{Problem: session.Standby}); got != session.Permanent {
		t.Errorf("a standby is %s", got)
	}
}
