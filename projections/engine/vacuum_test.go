package engine_test

import (
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
