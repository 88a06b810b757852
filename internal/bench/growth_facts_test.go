package bench

import (
	"context"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/cold"
)

// Both histories are written whole; the ratio at full size is measured by the proof.
func TestFactsOfAShuffledHistory(t *testing.T) {
	t.Parallel()
	ratios, err := RunFactsGrowth(t.Context(), FactsGrowth{Orders: 500, Out: t.Output(), Store: func(string) (*pgxpool.Pool, driver.Conn, error) {
		ch := dbtest.ClickHouse(t)
		t.Cleanup(func() {
			if err := ch.Conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+cold.MartDatabase(ch.Database)); err != nil {
				t.Error(err)
			}
		})
		return dbtest.Postgres(t).Pool, ch.Conn, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if ratios[FactsShuffled] <= 0 {
		t.Errorf("no ratio in %v", ratios)
	}
}
