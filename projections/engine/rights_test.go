package engine_test

import (
	"testing"
)

// The functions that run with the rights of the role that migrated read nothing that their
// caller made.
func TestFunctionsOfTheMigratorDoNotReadTheCallersTables(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	conn, err := f.db.Role(t, "readside_projector").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, sql := range []string{
		`create temp table who (name text)`,
		`grant all on who to public`,
		`create function pg_temp.evil() returns timestamptz language plpgsql as $$ begin insert into pg_temp.who values (current_user); return now(); end $$`,
		`create temp view pg_stat_activity as select pg_backend_pid() as pid, pg_temp.evil() as backend_start`,
		`grant all on pg_temp.pg_stat_activity to public`,
		`select readside.own_backend_start()`,
		`select readside.owner_lives('main')`,
		`select readside.end_owner('main')`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	var names int
	if err := conn.QueryRow(t.Context(), `select count(*) from who`).Scan(&names); err != nil {
		t.Fatal(err)
	}
	if names != 0 {
		t.Error("the caller's code ran with the rights of the role that migrated")
	}
}
