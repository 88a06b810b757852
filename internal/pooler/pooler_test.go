package pooler_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/pooler"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func detect(t *testing.T, conn *pgx.Conn) pooler.Mode {
	t.Helper()
	mode, err := pooler.Detect(t.Context(), conn.PgConn(), func(ctx context.Context) (*pgconn.PgConn, error) {
		return pgconn.ConnectConfig(ctx, &conn.Config().Config)
	})
	if err != nil {
		t.Fatal(err)
	}
	return mode
}

func TestAPoolerIsSeenByItsMode(t *testing.T) {
	t.Parallel()
	db := dbtest.EmptyPostgres(t)
	role := db.NewRole(t, "")
	session := db.PgBouncer(t, "session", "", role)
	transaction := db.PgBouncer(t, "transaction", "", role)
	statement := db.PgBouncer(t, "statement", "", role)
	for name, c := range map[string]struct {
		address string
		want    pooler.Mode
	}{
		"none":        {db.RoleURL(role), pooler.Direct},
		"session":     {session(role), pooler.Session},
		"transaction": {transaction(role), pooler.Transaction},
	} {
		conn := connect(t, c.address)
		if got := detect(t, conn); got != c.want {
			t.Errorf("%s: seen as %d, want %d", name, got, c.want)
		}
		err := pooler.Check(t.Context(), conn)
		fault := new(pooler.Error)
		if shared := c.want == pooler.Transaction; errors.As(err, &fault) != shared || shared != (err != nil) || shared && fault.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := pooler.Check(t.Context(), connect(t, statement(role))); err == nil {
		t.Error("a pooler that shares processes among statements is accepted")
	}
}

// Processes that other clients left free, in any number, hide nothing.
func TestASharingPoolerIsSeenAmongOtherClients(t *testing.T) {
	t.Parallel()
	db := dbtest.EmptyPostgres(t)
	role := db.NewRole(t, "")
	address := db.PgBouncer(t, "transaction", "", role)(role)
	var others []*pgx.Conn
	for range 6 {
		other := connect(t, address)
		if _, err := other.Exec(t.Context(), "begin"); err != nil {
			t.Fatal(err)
		}
		others = append(others, other)
	}
	for _, other := range others {
		if _, err := other.Exec(t.Context(), "rollback"); err != nil {
			t.Fatal(err)
		}
		if got := detect(t, connect(t, address)); got != pooler.Transaction {
			t.Errorf("seen as %d", got)
		}
	}
}
