package drill_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections/operate/verify"
)

var (
	largeKeys   = flag.Int("keys", 50_000, "keys of the large view")
	largeMemory = flag.Int64("memory", 512<<20, "GOMEMLIMIT of a process that builds, rebuilds or verifies the large view")
	largeBudget = flag.Int64("build-bytes", 4<<20, "what such a process may hold of rows; 0 takes the engine's default, a quarter of its memory")
)

const (
	// parcelsPerDepot is how many parcels show the name of one depot.
	parcelsPerDepot = 50
	// movedEach of so many parcels is moved once, when all are sent.
	movedEach = 5
	// logChunk is how many events one statement appends to the log.
	logChunk = 250_000
)

// A view of very many keys is built, rebuilt and verified by processes with little
// memory: what does not fit goes to disk, the peak stays below the limit, and each row
// is what the log says.
func TestALargeViewIsRebuiltInLittleMemory(t *testing.T) {
	db := dbtest.Postgres(t)
	began := time.Now()
	keys := *largeKeys / parcelsPerDepot * parcelsPerDepot
	events := appendParcels(t, db, keys)
	t.Logf("log: %d events of %d keys, %s, appended in %s", events, keys, logSize(t, db), time.Since(began).Round(time.Millisecond))
	for _, task := range []string{"build", "rebuild", "verify"} {
		got := runLarge(t, db, task)
		spilled := fmt.Sprintf("%d MiB spilled", got.Spilled>>20)
		if task == "rebuild" {
			spilled = "what it spilled it does not say"
		}
		t.Logf("memory: %s of a view with %d keys: peak %d MiB of a GOMEMLIMIT of %d MiB, %s, took %s",
			task, keys, got.Peak>>20, *largeMemory>>20, spilled, got.Took.Round(10*time.Millisecond))
		if got.Peak <= 0 || got.Peak > *largeMemory {
			t.Errorf("%s: the peak was %d bytes, the limit is %d", task, got.Peak, *largeMemory)
		}
		if got.Rows != keys {
			t.Errorf("%s: %d rows of %d keys", task, got.Rows, keys)
		}
		if got.Spilled == 0 && task != "rebuild" {
			t.Errorf("%s: all of it fitted into memory: nothing was tried", task)
		}
		mustBeParcels(t, db, keys)
	}
}

// appendParcels fills the log, and answers with how many events.
func appendParcels(t *testing.T, db *dbtest.DB, keys int) (events int64) {
	t.Helper()
	fill := func(stream, version, kind, data string, n int) {
		t.Helper()
		for from := 1; from <= n; from += logChunk {
			tag, err := db.Pool.Exec(t.Context(), fmt.Sprintf(`insert into eventlog.events (source, stream, version, id, type, schema_version, time, data)
select 'drill', %s, %s, '%s' || i, '%s', 1, '2026-01-01'::timestamptz + i * interval '1 ms', %s from generate_series($1::int, $2::int) i`,
				stream, version, kind, kind, data), from, min(n, from+logChunk-1))
			if err != nil {
				t.Fatal(err)
			}
			events += tag.RowsAffected()
		}
	}
	depots := keys / parcelsPerDepot
	fill(`'depot-' || i`, `1`, "drill.DepotOpened", `json_build_object('id', 'depot-' || i, 'name', 'Depot ' || i)`, depots)
	fill(`'parcel-' || i`, `1`, "drill.ParcelSent",
		fmt.Sprintf(`json_build_object('id', 'parcel-' || i, 'depot', 'depot-' || (1 + i %% %d), 'weight', i %% 100, 'note', md5(i::text))`, depots), keys)
	fill(fmt.Sprintf(`'parcel-' || (i * %d)`, movedEach), `2`, "drill.ParcelMoved",
		fmt.Sprintf(`json_build_object('id', 'parcel-' || (i * %d), 'depot', 'depot-1')`, movedEach), keys/movedEach)
	return events
}

// mustBeParcels looks at every row of the live table.
func mustBeParcels(t *testing.T, db *dbtest.DB, keys int) {
	t.Helper()
	var table string
	if err := db.Pool.QueryRow(t.Context(), `select 'views.' || table_name from readside.views where view = 'parcel' and state = 'live'`).Scan(&table); err != nil {
		t.Fatal(err)
	}
	var rows, wrong int
	err := db.Pool.QueryRow(t.Context(), fmt.Sprintf(`select count(*), count(*) filter (where
  (id, depot, depot_name, weight, note, moves, _state) is distinct from ('parcel-' || i, 'depot-' || d, 'Depot ' || d, i %% 100, md5(i::text), m, 2))
from (select *, case when m = 1 then 1 else 1 + i %% %[2]d end d
  from (select *, case when i %% %[3]d = 0 then 1 else 0 end m
    from (select *, substring(id from 8)::int i from %[1]s) n) m) d`, table, keys/parcelsPerDepot, movedEach)).Scan(&rows, &wrong)
	if err != nil {
		t.Fatal(err)
	}
	if rows != keys || wrong != 0 {
		t.Errorf("%s has %d rows, of which %d are not what the log says; there are %d keys", table, rows, wrong, keys)
	}
}

func logSize(t *testing.T, db *dbtest.DB) (size string) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), `select pg_size_pretty(pg_table_size('eventlog.events'))`).Scan(&size); err != nil {
		t.Fatal(err)
	}
	return size
}

// largeResult is what a process with little memory says when it has ended.
type largeResult struct {
	Rows int
	// Peak is the most memory that it had, Spilled what did not fit into its budget.
	Peak, Spilled int64
	Took          time.Duration
}

// runLarge runs this test binary as a process with little memory.
func runLarge(t *testing.T, db *dbtest.DB, task string) (got largeResult) {
	t.Helper()
	config, err := json.Marshal(largeTask{Task: task, URL: db.RoleURL("readside_projector"), Dir: t.TempDir(), Budget: *largeBudget})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), largeVariable+"="+string(config), fmt.Sprintf("GOMEMLIMIT=%d", *largeMemory))
	var says bytes.Buffer
	cmd.Stderr = &says
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", task, err, says.String())
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%s answered %q: %v", task, out, err)
	}
	return got
}

// peakMemory is the most that this process had in memory, by /proc.
func peakMemory() (bytes int64, err error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			_, err := fmt.Sscan(rest, &bytes)
			return bytes << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no VmHWM")
}

// largeVerified is whether verifying found the view right.
func largeVerified(found []verify.Result) (rows int, err error) {
	for _, v := range found {
		if !v.OK() {
			return 0, fmt.Errorf("view %s: %d rows differ: %+v", v.View, v.Differences.Count, v.Differences.First)
		}
		if v.View == "parcel" {
			rows = v.Rows
		}
	}
	return rows, nil
}
