package queryapi_test

import (
	"errors"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/pooler"
	"github.com/readside/readside/queryapi"
)

func openPool(t *testing.T, address string) *pgxpool.Pool {
	t.Helper()
	pool, err := queryapi.OpenPool(t.Context(), address, queryapi.Config{Application: dbtest.Application, RequestTimeout: 7 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Through a pooler that changes server processes between transactions, many readers at
// once get what they get directly, and leave no setting in the processes.
func TestQueriesWorkThroughASharingPooler(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 12)
	address := s.db.PgBouncer(t, "transaction", "", "readside_query")("readside_query")
	const query = `{ a: books(first: 5, orderBy: OUT_DESC) { nodes { id title } } b: book(id: "b001") { title } }`
	want := ask(t, s.api(queryapi.Options{Pool: openPool(t, s.db.RoleURL("readside_query"))}), query)
	var readers sync.WaitGroup
	for range 2 {
		api := s.api(queryapi.Options{Pool: openPool(t, address)})
		for range 6 {
			readers.Go(func() {
				for range 10 {
					if got := ask(t, api, query); !reflect.DeepEqual(got, want) {
						t.Errorf("through the pooler %v, want %v", got, want)
					}
				}
			})
		}
	}
	readers.Wait()
	var timeout string
	if err := openPool(t, address).QueryRow(t.Context(), "select current_setting('statement_timeout')").Scan(&timeout); err != nil || timeout != "0" {
		t.Errorf("a server process was left with a statement_timeout of %s, %v", timeout, err)
	}
	if err := openPool(t, s.db.RoleURL("readside_query")).QueryRow(t.Context(), "select current_setting('statement_timeout')").Scan(&timeout); err != nil || timeout != "7s" {
		t.Errorf("a session of its own has a statement_timeout of %s, %v", timeout, err)
	}
}

func TestARoleThroughASharingPoolerIsRefused(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 1)
	u, err := url.Parse(s.db.PgBouncer(t, "transaction", "role", "readside_query")("readside_query"))
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery += "&role=readside_projector"
	fault := new(pooler.Error)
	if err := openPool(t, u.String()).Ping(t.Context()); !errors.As(err, &fault) {
		t.Errorf("a role that the pooler drops: %v", err)
	}
}
