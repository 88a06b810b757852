package bench

import (
	"testing"

	"github.com/readside/readside/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// All contestants must leave the same table behind, or their rates mean nothing.
func TestContestantsDoTheSameWork(t *testing.T) {
	t.Parallel()
	ratios, err := Run(t.Context(), Config{Pool: dbtest.Postgres(t).Pool, Events: 5_000, Rounds: 1, Out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"catchup/watermill", "catchup/sqlworker", "catchup/bulkwrite", "baseline/sqlworker_over_copy",
		"build/insert_select", "build/copy", "rebuild/insert_select", "rebuild/copy", "rebuild_compared/copy", "latency_p50/append", "latency_p99/append"} {
		if ratios[key] <= 0 {
			t.Errorf("no ratio %s in %v", key, ratios)
		}
	}
	t.Log(ratios.JSON())
}
