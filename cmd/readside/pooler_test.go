package main

import (
	"testing"

	"github.com/readside/readside/internal/dbtest"
)

// Programs that need sessions refuse a pooler that shares server processes, also one
// that drops what it does not know without a word.
func TestProgramsRefuseASharingPooler(t *testing.T) {
	_, ch := useStores(t)
	db := dbtest.Postgres(t)
	const dropped = "role,statement_timeout,lock_timeout,idle_in_transaction_session_timeout,plan_cache_mode,extra_float_digits"
	t.Setenv("READSIDE_POSTGRES_URL", db.PgBouncer(t, "transaction", dropped)("postgres"))
	t.Setenv("READSIDE_CLICKHOUSE_URL", ch.URL)
	for _, args := range [][]string{{"shop"}, {"project"}, {"status"}, {"verify"}, {"events", "export"}, {"rebuild", "order"}} {
		contains(t, must(t, exitNo, args...).err, "shares server processes among transactions", "session mode")
	}
}
