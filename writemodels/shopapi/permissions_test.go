package shopapi_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/dbtest"
)

// services are the five, with a stream and a type that each may append.
func services() map[string]struct{ stream, eventType string } {
	return map[string]struct{ stream, eventType string }{
		"identity": {"customer-x", "identity.CustomerRenamed"},
		"catalog":  {"product-x", "catalog.ProductRenamed"},
		"basket":   {"basket-x", "basket.ItemRemoved"},
		"ordering": {"order-x", "ordering.OrderPaid"},
		"payment":  {"payment-x", "payment.Succeeded"},
	}
}

// denied reports whether Postgres refused for want of rights: insufficient_privilege.
func denied(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

func tablesOf(t *testing.T, db *dbtest.DB, schema string) []string {
	t.Helper()
	rows, err := db.Pool.Query(t.Context(), `select tablename::text from pg_tables where schemaname = $1`, schema)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables in %s: %v", schema, err)
	}
	return tables
}

func TestNoServiceReachesAnothersSchema(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	for from := range services() {
		pool := db.Role(t, "shop_"+from)
		for to := range services() {
			for _, table := range tablesOf(t, db, "shop_"+to) {
				for _, attempt := range []string{"select from shop_%s.%s", "delete from shop_%s.%s", "truncate shop_%s.%s",
					"insert into shop_%s.%s default values", "drop table shop_%s.%s"} {
					sql := fmt.Sprintf(attempt, to, table)
					if _, err := pool.Exec(t.Context(), sql); to != from && !denied(err) {
						t.Errorf("%s: %s: %v, want it denied", from, sql, err)
					}
				}
			}
			if _, err := pool.Exec(t.Context(), fmt.Sprintf("create table shop_%s.extra (n int)", to)); !denied(err) {
				t.Errorf("%s creates a table in the schema of %s: %v", from, to, err)
			}
			if _, err := pool.Exec(t.Context(), "set role shop_"+to); to != from && !denied(err) {
				t.Errorf("%s becomes %s: %v", from, to, err)
			}
		}
	}
}

const forge = `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
	values (1, now(), 1, gen_random_uuid()::text, $1, $2, $3, '{}')`

func TestNoServiceForgesAnothersEvents(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	for from, own := range services() {
		pool := db.Role(t, "shop_"+from)
		for to, other := range services() {
			attempt := func(what, source, eventType, stream string) {
				t.Helper()
				if _, err := pool.Exec(t.Context(), forge, source, eventType, stream); !denied(err) {
					t.Errorf("%s appends %s: %v, want it denied", from, what, err)
				}
			}
			if from == to {
				mayAppendItsOwn(t, pool, "shop_"+from, own.eventType, own.stream)
				continue
			}
			attempt("as "+to, "shop_"+to, other.eventType, other.stream)
			attempt("its own event as "+to, "shop_"+to, own.eventType, own.stream)
			attempt("an event of "+to, "shop_"+from, other.eventType, own.stream)
			attempt("to a stream of "+to, "shop_"+from, own.eventType, other.stream)
		}
		for _, sql := range []string{`update eventlog.events set type = type`, `delete from eventlog.events`, `truncate eventlog.events`} {
			if _, err := pool.Exec(t.Context(), sql); !denied(err) {
				t.Errorf("%s: %s: %v, want it denied", from, sql, err)
			}
		}
	}
}

// mayAppendItsOwn shows that the refusals are not for some other reason.
func mayAppendItsOwn(t *testing.T, pool *pgxpool.Pool, source, eventType, stream string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), forge, source, eventType, stream); err != nil {
		t.Errorf("%s may not append its own %s: %v", source, eventType, err)
	}
}
