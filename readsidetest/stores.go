package readsidetest

import (
	"cmp"
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/stores/embedded"
)

// setupWait bounds the installation of what the stores need.
const setupWait = 15 * time.Minute

// Main is the body of TestMain: it runs the tests of a package, stops the stores and exits.
// Some processes of the stores are this test binary, started again, so that a package
// without it cannot have stores.
func Main(m *testing.M) {
	ready = true
	dbtest.Main(m)
}

// ready reports whether Main was called.
var ready bool

// Databases are the databases of one test. They are empty, and dropped when it ends.
type Databases struct {
	// PostgresURL addresses a Postgres database as its owner, a superuser.
	PostgresURL string
	// ClickHouseURL addresses a ClickHouse database as a user who may write.
	ClickHouseURL string
}

// Stores makes databases for a test.
func Stores(t testing.TB) Databases {
	t.Helper()
	return Databases{PostgresURL: postgres(t).URL, ClickHouseURL: clickHouse(t).URL}
}

func postgres(t testing.TB) *dbtest.DB {
	t.Helper()
	install(t, &postgresInstalled)
	return dbtest.EmptyPostgres(t)
}

func clickHouse(t testing.TB) *dbtest.CH {
	t.Helper()
	install(t, &clickHouseInstalled)
	return dbtest.ClickHouse(t)
}

// installation is what one store needs. It is installed at most once in a process.
type installation struct {
	once sync.Once
	err  error
	// named reports whether the environment names a server to use in its place.
	named func() bool
	setup func(ctx context.Context) error
}

var (
	postgresInstalled = installation{
		named: func() bool { return os.Getenv("READSIDE_POSTGRES_URL") != "" },
		setup: func(ctx context.Context) error { return embedded.Stores().SetupPostgres(ctx, os.Stderr, "") },
	}
	clickHouseInstalled = installation{
		named: func() bool { return os.Getenv("READSIDE_CLICKHOUSE_URL") != "" },
		setup: func(ctx context.Context) error { return embedded.Stores().SetupClickHouse(ctx, os.Stderr) },
	}
)

var errNoMain = errors.New("this package has no stores: add func TestMain(m *testing.M) { readsidetest.Main(m) } to one of its test files")

func install(t testing.TB, i *installation) {
	t.Helper()
	i.once.Do(func() {
		if i.named() {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), setupWait)
		defer cancel()
		i.err = i.setup(ctx)
	})
	if err := cmp.Or(missingMain(), i.err); err != nil {
		t.Fatalf("readsidetest: %v", err)
	}
}

func missingMain() error {
	if ready {
		return nil
	}
	return errNoMain
}
