package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
)

// Every statement that the projector sends for a batch, whichever they are, reads as many
// rows of a large table as of a small one: Postgres counts them.
func TestABatchReadsAsMuchOfALargeTable(t *testing.T) {
	t.Parallel()
	for kind, cacheBytes := range map[string]int{"cached": 0, "without a cache": -1} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			small, large := rowsRead(t, 1_000, cacheBytes), rowsRead(t, 8_000, cacheBytes)
			for table, n := range large {
				const noise = 1_000 // what a start reads
				if n > 2*small[table]+noise {
					t.Errorf("batches read %d rows of %s where it is large, and %d where it is small", n, table, small[table])
				}
			}
			if large["views.room_v1_g1"]+large["views.card_v1_g1"] == 0 || large["eventlog.events"] == 0 {
				t.Errorf("nothing was counted: %v", large)
			}
		})
	}
}

// rowsRead fills a log with cards, ten to a room, and returns how many rows of each table 40
// small batches read then: own changes, changes of a source, rows that come and move.
func rowsRead(t *testing.T, cards, cacheBytes int) map[string]int {
	f := newFixture(t)
	pool := f.db.Role(t, "readside_projector")
	log, err := eventlog.Open(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	f.log = log
	set := cardSet(t, false)
	var fill []streamed
	for i := range cards {
		if i%10 == 0 {
			r := fmt.Sprint("r", i/10)
			fill = append(fill, streamed{r, roomOpened{r, "name " + r}})
		}
		c := fmt.Sprint("c", i)
		fill = append(fill, streamed{c, cardOpened{c, fmt.Sprint("r", i/10)}}, streamed{c, cardAdded{c, "", 1}})
	}
	f.catchUp(set, 1_000, f.append(fill...))
	f.exec(`analyze`)
	f.untilAlone(pool)
	f.exec(`select pg_stat_reset()`)
	p := f.run(set, 100, cacheBytes)
	for i := range 40 {
		c, r, fresh := fmt.Sprint("c", i*7), fmt.Sprint("r", i*3), fmt.Sprint("new", i)
		p.step(streamed{c, cardAdded{c, "", 2}}, streamed{r, roomRenamed{r, fmt.Sprint("renamed ", i)}},
			streamed{fresh, cardOpened{fresh, r}}, streamed{c, cardOpened{c, r}})
	}
	p.stop()
	f.untilAlone(pool)
	f.mustCount()
	rows, err := f.db.Pool.Query(t.Context(), `select schemaname || '.' || relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
from pg_stat_user_tables where schemaname in ('eventlog', 'readside', 'views')`)
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]int{}
	var table string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&table, &n}, func() error { read[table] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return read
}

// untilAlone ends all server processes but one, and waits until they are gone: with their
// end they have reported what they read.
func (f *fixture) untilAlone(pools ...*pgxpool.Pool) {
	f.t.Helper()
	for _, pool := range append(pools, f.db.Pool) {
		pool.Reset()
	}
	// The fixture's own log, which is not used, has some.
	f.exec(`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`)
	f.until("all other server processes are gone", func() bool {
		return f.int(`select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`) == 0
	})
}

// mustCount fails where the server does not count.
func (f *fixture) mustCount() {
	f.t.Helper()
	var on string
	if err := f.db.Pool.QueryRow(f.t.Context(), `show track_counts`).Scan(&on); err != nil || !strings.EqualFold(on, "on") {
		f.t.Fatalf("track_counts is %q: %v", on, err)
	}
}
