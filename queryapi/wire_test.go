package queryapi_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/wire"
)

func watchedPool(t *testing.T, url string, counter *wire.Counter) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 1
	counter.Watch(&config.ConnConfig.Config)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestAnOperationIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 12)
	s.addAuthor("a1", "Ann")
	var counter wire.Counter
	pool := watchedPool(t, s.db.RoleURL("readside_query"), &counter)
	a := s.api(queryapi.Options{Pool: pool})
	for _, query := range []string{
		`{ shelf(authorId: "a1") { author { name freshness { position } } latest { nodes { id } } best { nodes { id } } } }`,
		`{ book(id: "b001") { title } }`,
		`{ a: books(first: 5, orderBy: OUT_DESC) { nodes { id } } b: author(id: "x") { name } }`,
	} {
		ask(t, a, query) // warms the connection: statements are prepared once
		counter.Take()
		ask(t, a, query)
		if n := counter.Take(); n != 1 {
			t.Errorf("%s: %d round trips on a warm connection, want 1", query, n)
		}
	}
	// The counter counts: two statements are two round trips.
	for range 2 {
		if _, err := pool.Exec(context.Background(), "select 1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := counter.Take(); n < 2 {
		t.Errorf("two statements were counted as %d round trips", n)
	}
}
