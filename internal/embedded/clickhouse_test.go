package embedded_test

import (
	"context"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/readside/readside/internal/embedded"
)

func startClickHouse(t *testing.T, options embedded.ClickHouseOptions) *embedded.ClickHouse {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := embedded.StartClickHouse(ctx, options)
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

func TestClickHouseFirst(t *testing.T) {
	server := startClickHouse(t, embedded.ClickHouseOptions{})
	conn := openClickHouse(t, server.URL("default", embedded.ClickHouseUser))
	var version, zone string
	if err := conn.QueryRow(context.Background(), "SELECT version(), timezone()").Scan(&version, &zone); err != nil {
		t.Fatal(err)
	}
	t.Log(version, zone)
}
