package dbtest_test

import (
	"context"
	"os"
	"strings"
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

// The tests' clusters are of the version and on the ground that the environment asks for:
// a proof on four versions that ran on one of them would prove nothing.
func TestTheGroundIsTheOneAskedFor(t *testing.T) {
	server := dbtest.PostgresServer(t, embedded.PostgresOptions{})
	conn, err := pgx.Connect(t.Context(), server.URL("postgres", embedded.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	const query = `SELECT current_setting('server_version'), current_setting('timezone'), current_setting('datestyle'), 'a' < 'B'`
	var version, zone, style string
	var byLanguage bool
	if err := conn.QueryRow(t.Context(), query).Scan(&version, &zone, &style, &byLanguage); err != nil {
		t.Fatal(err)
	}
	major, _, _ := strings.Cut(version, ".")
	if want := os.Getenv("READSIDE_EMBEDDED_POSTGRES"); want != "" && major != want {
		t.Errorf("Postgres is %s, and %s was asked for", version, want)
	}
	foreign := os.Getenv("READSIDE_TEST_LOCALE") != ""
	if byLanguage != foreign || (zone == "Asia/Kathmandu") != foreign || (style == "SQL, DMY") != foreign {
		t.Errorf("texts by their language: %v, time zone %s, DateStyle %s; foreign ground was asked for: %v", byLanguage, zone, style, foreign)
	}
	short, _, _ := strings.Cut(version, " ")
	t.Logf("ground: Postgres %s, time zone %s, DateStyle %s, texts by their language: %v", short, zone, style, byLanguage)
}
