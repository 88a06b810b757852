package service

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/shop"
)

// inDatabase is a ClickHouse address with another database.
func inDatabase(t *testing.T, address, database string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

// In a ClickHouse that does not have the database of the facts it is created; a user that
// may not is told the statement.
func TestAnEmptyClickHouseGetsTheDatabase(t *testing.T) {
	t.Parallel()
	ch, db := dbtest.ClickHouse(t), dbtest.Postgres(t)
	log, err := eventlog.Open(t.Context(), db.Pool)
	if err != nil {
		t.Fatal(err)
	}
	set, err := shop.Set()
	if err != nil {
		t.Fatal(err)
	}
	database := ch.Database + "_new"
	t.Cleanup(func() {
		if err := ch.Conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+database); err != nil {
			t.Error(err)
		}
	})
	address := inDatabase(t, ch.URL, database)
	err = createDatabase(t.Context(), inDatabase(t, ch.ReaderURL(), database))
	if err == nil || !strings.Contains(err.Error(), "CREATE DATABASE IF NOT EXISTS `"+database+"`") {
		t.Errorf("as a reader: %v, want the statement to run", err)
	}
	config := cold.Config{Application: dbtest.Application, Log: log, Pool: db.Pool, Set: set, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), ClickHouse: dbtest.OpenClickHouse(t, address)}
	if _, err := cold.Open(t.Context(), config); !noDatabase(err) {
		t.Fatalf("before: %v, want that there is no database", err)
	}
	projector, err := openCold(t.Context(), config, address)
	if err != nil {
		t.Fatal(err)
	}
	if projector.Mart() != cold.MartDatabase(database) {
		t.Errorf("the mart is %s", projector.Mart())
	}
}
