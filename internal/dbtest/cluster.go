package dbtest

import (
	"testing"

	"github.com/readside/readside/internal/embedded"
)

// Cluster is a Postgres server of a test's own with databases as Postgres makes them, for
// tests that kill the server or one of its processes.
type Cluster struct {
	*embedded.Postgres
	server *postgresServer
}

// PostgresCluster starts a server, which is stopped when the test ends.
func PostgresCluster(t testing.TB, options embedded.PostgresOptions) *Cluster {
	t.Helper()
	p := PostgresServer(t, options)
	return &Cluster{p, &postgresServer{embedded: p, admin: p.URL("postgres", embedded.Superuser)}}
}

// Database is a fresh database of Application with all migrations, dropped when the test
// ends, which may be another test than that of the cluster.
func (c *Cluster) Database(t testing.TB) *DB {
	t.Helper()
	template, err := c.server.migratedTemplate()
	if err != nil {
		t.Fatalf("dbtest: migrate the template database: %v", err)
	}
	return c.server.database(t, template)
}

// ClickHouseOn is a fresh database of a server that ClickHouseServer started, dropped when
// the test ends.
func ClickHouseOn(t testing.TB, server *embedded.ClickHouse) *CH {
	t.Helper()
	s := &clickHouseServer{embedded: server, admin: server.URL("default", embedded.ClickHouseUser)}
	return s.database(t)
}
