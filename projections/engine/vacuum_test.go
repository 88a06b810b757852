package engine_test

import (
	"fmt"
	"testing"
)

// Tables of views are vacuumed long before a fifth of them is dead: new ones, and those
// that an older version made; what an operator has set stays.
func TestTablesHaveVacuumSettings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	without := `select count(*) from pg_class c, lateral (select reloptions::text as o) x where relnamespace = 'views'::regnamespace and relkind = 'r'
  and (o is null or o not like '%autovacuum_vacuum_scale_factor=0.05%' or o not like '%fillfactor=70%')`
	if n := f.int(without); n != 0 {
		t.Errorf("%d new tables have no settings", n)
	}
	f.exec(`alter table views.talk_v1_g1 reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)`)
	f.exec(`alter table views.room_v1_g1 set (autovacuum_vacuum_scale_factor = 0.3)`)
	f.catchUp(set, 100, ratings(f, 1))
	if n := f.int(`select count(*) from pg_class where relname = 'talk_v1_g1' and reloptions::text like '%autovacuum_vacuum_scale_factor=0.05%'`); n != 1 {
		t.Error("a table of an older version has no settings")
	}
	if n := f.int(`select count(*) from pg_class where relname = 'room_v1_g1' and reloptions::text like '%autovacuum_vacuum_scale_factor=0.3%'`); n != 1 {
		t.Error("what an operator has set did not stay")
	}
}

// A table whose rows all change again and again does not grow with every round: pages have
// room for a row's next version, and the one before is cleaned away by the next update or
// by a vacuum, which the table's own settings call early.
func TestTableUnderSustainedUpdatesStaysSmall(t *testing.T) {
	t.Parallel()
	rows, rounds := 2_000, 30
	if *full {
		rows, rounds = 50_000, 400
	}
	f := newFixture(t)
	set := limitsSet(t)
	ids := make([]string, rows)
	for i := range ids {
		ids[i] = fmt.Sprint("c", i)
	}
	r := f.run(set, 10_000, 64<<20)
	r.step(streamed{"cups", cupsPoured{ids}})
	size := `select pg_table_size('views.cup_v1_g1')::int`
	first := f.int(size)
	for range rounds {
		r.step(streamed{"cups", cupsPoured{ids}})
	}
	r.stop()
	last := f.int(size)
	t.Logf("%d rows, each updated %d times: the table has %d KB, and had %d KB; %d rows are dead", rows, rounds, last>>10, first>>10,
		f.int(`select n_dead_tup::int from pg_stat_user_tables where relname = 'cup_v1_g1'`))
	// A batch that changes every row needs room for all of them twice, and for as many
	// rounds as another session's snapshot outlasts; were nothing used again, it would be
	// room for every round.
	bound := 3
	if !*full {
		bound = rounds / 4
	}
	if last > bound*first {
		t.Errorf("the table has %d KB, and had %d KB: what is dead is not used again", last>>10, first>>10)
	}
}
