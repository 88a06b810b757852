package engine_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/progress"
)

// Indexes that a build left when it was cut off are made again, and none stands twice.
func TestIndexesOfABuildThatWasCutOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := bigStory(f, 6)
	f.catchUp(set, 1000, last)
	b := f.builder("built", set)
	left := 0
	b.each = func(at progress.Fold) {
		if at.Phase != progress.Rows || left > 0 {
			return
		}
		rows, err := f.db.Pool.Query(t.Context(), `select table_name, substring(table_name from '^[a-z]+') from readside.views where projector like 'built%' and view <> $1`, at.View)
		if err != nil {
			t.Fatal(err)
		}
		var tables []string
		for rows.Next() {
			var table, view string
			if err := rows.Scan(&table, &view); err != nil {
				t.Fatal(err)
			}
			tables = append(tables, table, view)
		}
		for ; left < len(tables); left += 2 {
			model := set.View(tables[left+1])
			f.exec(fmt.Sprintf(`create index on views.%s (%s)`, tables[left], model.Columns[model.Key].Name))
		}
	}
	b.mustRun(last)
	if left == 0 {
		t.Error("nothing was left over")
	}
	f.mustEqual("main", "built", set)
}

// The next view is copied while the indexes of one are made, and none goes live without.
func TestIndexesAreMadeWhileTheNextViewIsCopied(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := bigStory(f, 9)
	f.catchUp(set, 1000, last)
	b := f.builder("built", set)
	b.cfg.BuildBytes = 256 << 20 // all sources are in memory: nobody waits for their keys
	held := set.Views()[0].Name
	tx, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	locked := false
	b.each = func(at progress.Fold) {
		if at.Phase != progress.Rows || locked {
			return
		}
		locked = true
		var table string
		err := tx.QueryRow(t.Context(), `select 'views.' || table_name from readside.views where projector like 'built%' and view = $1`, held).Scan(&table)
		if err == nil { // rows can be copied into it, and no index can be made
			_, err = tx.Exec(t.Context(), `lock table `+table+` in row exclusive mode`)
		}
		if err != nil {
			t.Error(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- b.run(last) }()
	f.until("the next view is copied", func() bool { return f.int(`select count(distinct view) from readside.slices`) == 2 })
	if n := f.int(`select count(*) from readside.views where projector like 'built%' and state = 'live'`); n != 0 {
		t.Errorf("%d views are live before their indexes are made", n)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	f.mustEqual("main", "built", set)
}

// The planner knows the columns by which the rows of a table just built are found, whether
// it was written at once or slice by slice.
func TestTablesJustBuiltAreAnalyzed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := bigStory(f, 8)
	for base, bytes := range map[string]int64{"atonce": 256 << 20, "slices": leastBudget} {
		b := f.builder(base, set)
		b.cfg.BuildBytes = bytes
		b.mustRun(last)
		const unknown = `select count(*) from readside.views v
  join pg_class c on c.oid = ('views.' || v.table_name)::regclass and c.reltuples > 0
  join pg_attribute a on a.attrelid = c.oid and (a.attname = '_state' or exists (select from pg_index i where i.indrelid = c.oid and a.attnum = any(i.indkey)))
  left join pg_stats s on s.schemaname = 'views' and s.tablename = v.table_name and s.attname = a.attname
 where v.projector like $1 || '@%' and s.attname is null`
		if n := f.int(unknown, base); n != 0 {
			t.Errorf("%s: the planner knows nothing of %d columns", base, n)
		}
		if n := f.int(`select count(*) from readside.views v join pg_stats s on s.tablename = v.table_name where v.projector like $1 || '@%'`, base); n == 0 {
			t.Errorf("%s: nothing is analyzed", base)
		}
	}
}

// Who takes over from a worker that is stopped in a build ends both its server
// processes: the one that copies and the one that makes indexes.
func TestBothServerProcessesOfAStoppedBuildAreEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.exec(`alter table eventlog.events alter column position restart with 60000`)
	bigStory(f, 7)
	gate := f.gateSlices("talk", 3)
	stopped := f.process(time.Second)
	gate.reached()
	const alive = `select count(*) from pg_stat_activity where (pid, backend_start) in (select backend_pid, backend_start from former union all select second_pid, second_start from former)`
	f.until("the lease names both", func() bool { return f.int(`select count(*) from readside.leases where second_pid is not null`) == 1 })
	f.exec(`create table former as select * from readside.leases`)
	if n := f.int(alive); n != 2 {
		t.Fatalf("the lease names %d server processes that live", n)
	}
	f.stop(stopped)

	folded := make(chan eventlog.Position, 1000)
	p := f.leased(set, time.Second, folded)
	stop := f.runs(p)
	f.until("another worker has the lease", func() bool {
		return f.int(`select count(*) from readside.leases l join former f on l.owner <> f.owner`) == 1
	})
	if n := f.int(alive); n != 0 {
		t.Errorf("%d server processes of the former owner live on", n)
	}
	gate.open()
	f.until("the views are live", func() bool {
		return f.int(`select count(*) from readside.views where state = 'live'`) == len(set.Views())
	})
	stop()
	stopped.signal(syscall.SIGCONT)
	f.mustVerify(set)
}
