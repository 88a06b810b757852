package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/migrations"
	"github.com/readside/readside/projections/application"
)

// postgresVariable names a server to use in place of the embedded one.
const postgresVariable = "READSIDE_POSTGRES_URL"

// migrationLock keeps test binaries that share a server from making the same roles
// at the same time: roles belong to the server, not to a database.
const migrationLock = 7_245_011

// postgresServer is the server that the tests of this binary share.
type postgresServer struct {
	embedded *embedded.Postgres // nil for a server named by the environment
	admin    string             // its maintenance database, as a superuser
	// upkeep are connections to it, kept: a new one costs as much as a small test. A
	// server that tests kill has none.
	upkeep *pgxpool.Pool

	mu       sync.Mutex
	template string // the migrated database, once it is made
}

func sharedPostgres(t testing.TB) *postgresServer {
	t.Helper()
	server, err := servers.postgres.get(startPostgres)
	if err != nil {
		t.Fatalf("dbtest: no Postgres to test on; `make setup` installs what is missing: %v", err)
	}
	return server
}

func startPostgres() (*postgresServer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	s := &postgresServer{admin: os.Getenv(postgresVariable)}
	var err error
	if s.admin == "" {
		if s.embedded, err = embedded.StartPostgres(ctx, onGround(embedded.PostgresOptions{})); err != nil {
			return nil, err
		}
		s.admin = s.embedded.URL("postgres", embedded.Superuser)
	}
	if s.upkeep, err = pgxpool.New(ctx, s.admin); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *postgresServer) stop() error {
	if s.upkeep != nil {
		defer s.upkeep.Close()
	}
	if s.embedded != nil {
		return s.embedded.Stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.template == "" {
		return nil
	}
	return s.execute(context.Background(), dropStatement(s.template))
}

// databaseURL addresses one database of the server as its superuser.
func (s *postgresServer) databaseURL(name string) string {
	u, err := url.Parse(s.admin)
	if err != nil {
		return s.admin // pgx reports it better
	}
	u.Path = "/" + name
	return u.String()
}

// createRole makes a role that roleURL can address.
func (s *postgresServer) createRole(ctx context.Context, role, attributes string) error {
	if s.embedded != nil {
		return s.embedded.CreateRole(ctx, role, attributes)
	}
	return s.execute(ctx, "CREATE ROLE "+role+" "+attributes)
}

// roleURL logs in as the role where we know its password, and becomes it elsewhere.
func (s *postgresServer) roleURL(database, role string) string {
	if s.embedded != nil {
		return s.embedded.URL(database, role)
	}
	u, err := url.Parse(s.databaseURL(database))
	if err != nil {
		return s.admin
	}
	query := u.Query()
	query.Set("role", role)
	u.RawQuery = query.Encode()
	return u.String()
}

// migratedTemplate is the database that every test's own is copied from.
func (s *postgresServer) migratedTemplate() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.template != "" {
		return s.template, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	name := unused("readside_template")
	err := s.execute(ctx, "CREATE DATABASE "+name)
	if err == nil {
		err = s.migrate(ctx, name)
	}
	if err != nil {
		return "", errors.Join(err, s.execute(ctx, dropStatement(name)))
	}
	s.template = name
	return name, nil
}

func (s *postgresServer) migrate(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // and with it the lock
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return err
	}
	if err := migrations.Up(ctx, s.databaseURL(name), migrations.Engine, migrations.Shop); err != nil {
		return err
	}
	if err := record(ctx, s.databaseURL(name)); err != nil {
		return err
	}
	if s.embedded == nil {
		return nil
	}
	return s.embedded.AllowLogins(ctx)
}

// record lets the migrated database belong to Application.
func record(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return application.Claim{Name: Application}.Record(ctx, conn)
}

// database makes a test's own database from a template.
func (s *postgresServer) database(t testing.TB, template string) *DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), queryWait)
	defer cancel()
	name := unused("readside_test")
	if err := s.execute(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, template)); err != nil {
		t.Fatalf("dbtest: create a database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), queryWait)
		defer cancel()
		if err := s.drop(ctx, name); err != nil {
			t.Errorf("dbtest: drop the test's database: %v", err)
		}
	})
	url := s.databaseURL(name)
	return &DB{URL: url, Pool: openPool(t, url), Name: name, server: s}
}

// drop deletes a database with what a failed test left open in it.
func (s *postgresServer) drop(ctx context.Context, name string) error {
	var prepared bool
	err := s.maintain(ctx, func(db statements) error {
		return db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = $1)", name).Scan(&prepared)
	})
	if err == nil && prepared {
		err = s.rollbackPrepared(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("roll back prepared transactions: %w", err)
	}
	return s.execute(ctx, dropStatement(name))
}

// rollbackPrepared ends the transactions that would keep the database for ever.
func (s *postgresServer) rollbackPrepared(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.databaseURL(name))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const query = "SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts WHERE database = current_database()"
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, statement := range statements {
		_, rollbackErr := conn.Exec(ctx, statement)
		err = errors.Join(err, rollbackErr)
	}
	return err
}

// dropStatement also ends the sessions that a failed test left open.
func dropStatement(name string) string {
	return fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)
}

// execute runs one statement in the maintenance database.
func (s *postgresServer) execute(ctx context.Context, statement string) error {
	return s.maintain(ctx, func(db statements) error {
		_, err := db.Exec(ctx, statement)
		return err
	})
}

// statements are what the maintenance database is asked.
type statements interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// maintain does something in the maintenance database.
func (s *postgresServer) maintain(ctx context.Context, do func(statements) error) error {
	if s.upkeep != nil {
		return do(s.upkeep)
	}
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}
