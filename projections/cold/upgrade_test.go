package cold

import (
	"os"
	"strings"
	"testing"
)

// migration is what a migration does on the way up, and down.
func migration(t *testing.T, file string) (up, down string) {
	t.Helper()
	text, err := os.ReadFile("../../migrations/postgres/" + file)
	if err != nil {
		t.Fatal(err)
	}
	up, down, found := strings.Cut(string(text), "-- +goose Down")
	if !found {
		t.Fatalf("%s has no way down", file)
	}
	return up, down // goose's other marks are comments
}

// Stores that the version before filled go on with every fact: its checkpoint, ledger and
// tables, a block that it left planned, and a mart that knows no generation.
func TestStoresOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	up, down := migration(t, "0006_cold_parked.sql")
	b.append(measurements(4)...)
	b.runTo(b.append(measurements(2)...))
	to := b.append(measurements(6)...)
	b.dieAt(stepSent, 2) // two of four blocks are in

	execute := func(sql string) {
		t.Helper()
		if _, err := b.db.Pool.Exec(bounded(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	execute(down)
	var columns int
	if err := b.db.Pool.QueryRow(bounded(t), `select count(*) from information_schema.columns where table_schema = 'readside' and column_name in ('retries', 'attempts') and table_name like 'cold%'`).Scan(&columns); err != nil || columns != 0 {
		t.Fatalf("the way down leaves %d columns, %v", columns, err)
	}
	mart := qualified(b.open().Mart(), "readings")
	b.exec("DROP TABLE cold_left_out")
	b.exec("DROP VIEW " + qualified(b.open().Mart(), martWatermarks))
	b.exec("ALTER TABLE cold_watermarks DELETE WHERE table_name = 'shown' SETTINGS mutations_sync = 2")
	b.exec("CREATE OR REPLACE VIEW " + mart + " AS SELECT value FROM readings_v1_g1 WHERE _position <= (SELECT max(place) FROM cold_watermarks WHERE table_name = 'readings_v1_g1')")
	if rows := b.count(mart); rows != 12 {
		t.Fatalf("the mart of the version before shows %d rows, want 12", rows)
	}

	execute(up)
	p := b.runTo(to)
	b.exact(p)
	b.shows(p, 24, 0)
	if n := b.generation(); n != 1 {
		t.Errorf("generation %d is written: the tables were left", n)
	}
	b.orderRebuild()
	b.exact(b.runTo(to))
	b.shows(p, 24, 0)
}

// The way down refuses to lose what operators gave up, or what waits.
func TestTheWayDownKeepsParkedFacts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.runTo(b.append(faulty("error")))
	_, down := migration(t, "0006_cold_parked.sql")
	if _, err := b.db.Pool.Exec(bounded(t), down); err == nil || !strings.Contains(err.Error(), "parked") {
		t.Errorf("the way down: %v, want a refusal", err)
	}
	b.parked(1)
}
