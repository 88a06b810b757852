package embedded_test

import (
	"errors"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/readside/readside/internal/embedded"
)

func startClickHouse(t *testing.T, options embedded.ClickHouseOptions) *embedded.ClickHouse {
	t.Helper()
	server, err := embedded.StartClickHouse(timeout(t), options)
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

func openClickHouse(t *testing.T, url string) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Acknowledged inserts survive the death of the server, on the same folder and port.
func TestClickHouseKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	server := startClickHouse(t, embedded.ClickHouseOptions{})
	url := server.URL("default", embedded.ClickHouseUser)
	conn := openClickHouse(t, url)
	if err := conn.Exec(timeout(t), "CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	batch, err := conn.PrepareBatch(timeout(t), "INSERT INTO kept")
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(1000) {
		if err := batch.Append(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(timeout(t)); err == nil {
		t.Error("the killed server answers")
	}
	if err := server.Restart(timeout(t)); err != nil {
		t.Fatal(err)
	}
	var rows uint64
	if err := openClickHouse(t, url).QueryRow(timeout(t), "SELECT count() FROM kept").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if rows != 1000 {
		t.Errorf("%d rows are there, want 1000", rows)
	}
}

func TestTwoClickHousesAtOnceAreApart(t *testing.T) {
	t.Parallel()
	first := startClickHouse(t, embedded.ClickHouseOptions{})
	second := startClickHouse(t, embedded.ClickHouseOptions{})
	one := openClickHouse(t, first.URL("default", embedded.ClickHouseUser))
	if err := one.Exec(timeout(t), "CREATE TABLE mine (n UInt8) ENGINE = MergeTree ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	err := openClickHouse(t, second.URL("default", embedded.ClickHouseUser)).Exec(timeout(t), "SELECT * FROM mine")
	var refused *clickhouse.Exception
	if !errors.As(err, &refused) || refused.Code != 60 {
		t.Errorf("the second server answered %v, want that the table is unknown (60)", err)
	}
}
