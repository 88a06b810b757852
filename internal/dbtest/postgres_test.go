package dbtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/readside/readside/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestPostgresDatabasesAreIsolated(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := dbtest.Postgres(t)
			// The same name in every database: a shared one would refuse the second.
			if _, err := db.Pool.Exec(ctx, "CREATE TABLE mine (n int)"); err != nil {
				t.Fatal(err)
			}
			var name string
			if err := db.Pool.QueryRow(ctx, "SELECT current_database()").Scan(&name); err != nil {
				t.Fatal(err)
			}
			if name != db.Name {
				t.Errorf("connected to %s, want %s", name, db.Name)
			}
		})
	}
}
