package dbtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/readside/readside/internal/dbtest"
)

func TestClickHouseDatabasesAreIsolated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := dbtest.ClickHouse(t)
			// The same name in every database: a shared one would refuse the second.
			if err := db.Conn.Exec(ctx, "CREATE TABLE mine (n Int32) ENGINE = MergeTree ORDER BY n"); err != nil {
				t.Fatal(err)
			}
			var name string
			if err := db.Conn.QueryRow(ctx, "SELECT currentDatabase()").Scan(&name); err != nil {
				t.Fatal(err)
			}
			if name != db.Database {
				t.Errorf("connected to %s, want %s", name, db.Database)
			}
		})
	}
}

func TestClickHouseReaderMayNotWrite(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := dbtest.ClickHouse(t)
	if err := db.Conn.Exec(ctx, "CREATE TABLE mine (n Int32) ENGINE = MergeTree ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	reader := dbtest.OpenClickHouse(t, db.ReaderURL())
	var rows uint64
	if err := reader.QueryRow(ctx, "SELECT count() FROM mine").Scan(&rows); err != nil {
		t.Errorf("the reader may not read: %v", err)
	}
	if err := reader.Exec(ctx, "INSERT INTO mine VALUES (1)"); err == nil {
		t.Error("the reader wrote")
	}
}
