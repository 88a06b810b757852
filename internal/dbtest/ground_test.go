package dbtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// On foreign ground a cluster orders texts and writes times as no code may expect, and
// what a test sets itself stays.
func TestForeignGround(t *testing.T) {
	t.Setenv("READSIDE_TEST_LOCALE", "sv-SE")
	server := dbtest.PostgresServer(t, embedded.PostgresOptions{Settings: map[string]string{"intervalstyle": "iso_8601"}})
	conn, err := pgx.Connect(t.Context(), server.URL("postgres", embedded.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	const query = `SELECT (timestamptz '2026-01-02 00:00:00+00')::text, current_setting('intervalstyle'),
		(SELECT string_agg(letter, '' ORDER BY letter) FROM unnest(array['ä', 'z', 'å', 'Z']) AS letter)`
	var at, style, order string
	if err := conn.QueryRow(t.Context(), query).Scan(&at, &style, &order); err != nil {
		t.Fatal(err)
	}
	if at != "02/01/2026 05:45:00 +0545" || style != "iso_8601" || order != "zZåä" {
		t.Errorf("a time is written %s, intervals as %s, and letters are ordered %s", at, style, order)
	}
}
