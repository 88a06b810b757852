package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/cenkalti/backoff/v5"

	"github.com/readside/readside/internal/embedded"
)

// clickHouseVariable names a server to use in place of the embedded one.
const clickHouseVariable = "READSIDE_CLICKHOUSE_URL"

// CH is a test's own ClickHouse database; Conn may write.
type CH struct {
	URL      string
	Conn     driver.Conn
	Database string

	server *clickHouseServer
}

// ClickHouse is a fresh database, dropped when the test ends.
func ClickHouse(t testing.TB) *CH {
	t.Helper()
	server, err := servers.clickHouse.get(startClickHouse)
	if err != nil {
		t.Fatalf("dbtest: no ClickHouse to test on; `make setup` installs what is missing: %v", err)
	}
	return server.database(t)
}

// ClickHouseServer is a server of its own for tests that kill or fill one.
func ClickHouseServer(t testing.TB, options embedded.ClickHouseOptions) *embedded.ClickHouse {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	server, err := embedded.StartClickHouse(ctx, options)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	return server
}

// ReaderURL addresses the database as a user who may only read.
func (c *CH) ReaderURL() string { return c.server.readerURL(c.Database) }

// OpenClickHouse connects to a ClickHouse by its URL until the test ends.
func OpenClickHouse(t testing.TB, url string) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// clickHouseServer is the server that the tests of this binary share.
type clickHouseServer struct {
	embedded *embedded.ClickHouse // nil for a server named by the environment
	admin    string               // its default database
}

func startClickHouse() (*clickHouseServer, error) {
	if admin := os.Getenv(clickHouseVariable); admin != "" {
		return &clickHouseServer{admin: admin}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	// The tests' databases are theirs alone, so their readers may read all of them.
	server, err := embedded.StartClickHouse(ctx, embedded.ClickHouseOptions{Readable: []string{"*"}})
	if err != nil {
		return nil, err
	}
	return &clickHouseServer{embedded: server, admin: server.URL("default", embedded.ClickHouseUser)}, nil
}

func (s *clickHouseServer) stop() error {
	if s.embedded == nil {
		return nil
	}
	return s.embedded.Stop()
}

func (s *clickHouseServer) databaseURL(name string) string {
	u, err := url.Parse(s.admin)
	if err != nil {
		return s.admin // the driver reports it better
	}
	u.Path = "/" + name
	return u.String()
}

// readerURL is a user of the embedded server, and the read-only setting elsewhere.
func (s *clickHouseServer) readerURL(database string) string {
	if s.embedded != nil {
		return s.embedded.URL(database, embedded.ClickHouseReader)
	}
	u, err := url.Parse(s.databaseURL(database))
	if err != nil {
		return s.admin
	}
	query := u.Query()
	query.Set("readonly", "2") // with 1, a server refuses the driver's own max_execution_time
	u.RawQuery = query.Encode()
	return u.String()
}

func (s *clickHouseServer) database(t testing.TB) *CH {
	t.Helper()
	admin := OpenClickHouse(t, s.admin)
	name := unused("readside_test")
	execute := func(what, statement string) error {
		ctx, cancel := context.WithTimeout(context.Background(), queryWait)
		defer cancel()
		if err := admin.Exec(ctx, statement+name); err != nil {
			return fmt.Errorf("dbtest: %s the test's ClickHouse database: %w", what, err)
		}
		return nil
	}
	if err := execute("create", "CREATE DATABASE "); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), queryWait)
		defer cancel()
		if err := dropWhole(ctx, func() error { return execute("drop", "DROP DATABASE IF EXISTS ") }); err != nil {
			t.Error(err)
		}
	})
	url := s.databaseURL(name)
	return &CH{URL: url, Conn: OpenClickHouse(t, url), Database: name, server: s}
}

// tableAppeared is ClickHouse's DATABASE_NOT_EMPTY: while the database was dropped a
// table came to it, as a worker's does that has just ended, since the server carries a
// statement out whose client is gone. It asks to try again.
const tableAppeared = 219

// dropWhole drops a database until no table appears meanwhile.
func dropWhole(ctx context.Context, drop func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := drop()
		if fault := new(clickhouse.Exception); err != nil && (!errors.As(err, &fault) || fault.Code != tableAppeared) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(queryWait))
	return err
}
