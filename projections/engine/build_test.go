package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/progress"
)

// leastBudget is the least memory that a build takes: with it what the tests fold
// does not fit.
const leastBudget = 1 << 20

// builder runs a projector whose first rows are built slice by slice, in little memory.
type builder struct {
	f   *fixture
	cfg engine.Config
	// each, unless nil, is called with the build's progress.
	each func(progress.Fold)
	// stopAt, unless 0, is how many slices a run hands out before it is cut off.
	stopAt int
	// handed is how many slices the last run handed out, of slices for each view; spilled
	// are the bytes that did not fit.
	handed, slices int
	spilled        int64
}

func (f *fixture) builder(base string, set *projections.Set) *builder {
	return &builder{f: f, cfg: engine.Config{
		Application: dbtest.Application,
		Name:        base, Log: f.log, Postgres: f.config, Set: set, BatchEvents: 100,
		BuildAbove: 1, BuildBytes: leastBudget, BuildDir: f.t.TempDir(),
		Logger: slog.New(slog.NewTextHandler(f.t.Output(), nil)),
	}}
}

// run builds until p is reached or the run is cut off, and returns what Run does.
func (b *builder) run(p eventlog.Position) error {
	b.f.t.Helper()
	ctx, cancel := context.WithTimeout(b.f.t.Context(), patience)
	defer cancel()
	b.handed, b.spilled = 0, 0
	cfg, reached := b.cfg, false
	cfg.Observer.Building = func(at progress.Fold) {
		b.spilled, b.slices = at.Spilled, at.Slices
		if b.each != nil {
			b.each(at)
		}
		if at.Phase == progress.Rows {
			if b.handed++; b.handed == b.stopAt {
				cancel()
			}
		}
	}
	cfg.Observer.Folded = func(at engine.Folded) {
		if at.Position.Place() >= p.Place() {
			reached = true
			cancel()
		}
	}
	projector, err := newDesk(cfg)
	if err != nil {
		return err
	}
	if err := projector.Run(ctx); err != nil {
		return err
	}
	if cut := b.stopAt > 0; reached == cut {
		b.f.t.Fatalf("after %d slices, to be cut off at %d, where 0 is never: reached the end of the log: %v", b.handed, b.stopAt, reached)
	}
	return nil
}

func (b *builder) mustRun(p eventlog.Position) {
	b.f.t.Helper()
	if err := b.run(p); err != nil {
		b.f.t.Fatal(err)
	}
}

// table is the one that a projector writes a view to.
func (f *fixture) table(base string, set *projections.Set, view string) (name string) {
	f.t.Helper()
	err := f.db.Pool.QueryRow(f.t.Context(), `select 'views.' || table_name from readside.views where projector = $1 and view = $2 and state = 'live'`,
		engine.ProjectorName(base, set), view).Scan(&name)
	if err != nil {
		f.t.Fatalf("the live table of view %s of projector %s: %v", view, base, err)
	}
	return name
}

// mustEqual compares the tables, whole, and the indexes of two projectors.
func (f *fixture) mustEqual(base, other string, set *projections.Set) {
	f.t.Helper()
	for _, m := range set.Views() {
		one, two := f.table(base, set, m.Name), f.table(other, set, m.Name)
		rows := f.int(`select count(*) from ` + one)
		differ := f.int(fmt.Sprintf(`select count(*) from ((select t::text from %[1]s t except all select t::text from %[2]s t)
union all (select t::text from %[2]s t except all select t::text from %[1]s t)) d`, one, two))
		if differ != 0 || rows == 0 {
			f.t.Errorf("view %s: of %d rows of %s and %s %d differ", m.Name, rows, one, two, differ)
		}
		if one, two := f.indexes(one), f.indexes(two); one != two {
			f.t.Errorf("view %s has the indexes\n%s\nand\n%s", m.Name, one, two)
		}
	}
}

// indexes are a table's, without its name.
func (f *fixture) indexes(table string) (text string) {
	f.t.Helper()
	name := strings.TrimPrefix(table, "views.")
	err := f.db.Pool.QueryRow(f.t.Context(), `select string_agg(replace(indexdef, $1, ''), E'\n' order by replace(indexdef, $1, '')) from pg_indexes where schemaname = 'views' and tablename = $1`, name).Scan(&text)
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

// bigStory is a log with joins of every kind that does not fit into the least budget.
func bigStory(f *fixture, seed uint64) eventlog.Position {
	r := rand.New(rand.NewPCG(seed, 31))
	f.append(randomEvents(r, 1000)...)
	f.append(manyRows(1500)...)
	return f.append(randomEvents(r, 1000)...)
}

// What is built slice by slice, on disk where it does not fit, is what batches fold; and
// so is what follows batch by batch.
func TestABuildEqualsTheFoldByBatches(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := bigStory(f, 1)
	f.catchUp(set, 1000, last)
	b := f.builder("built", set)
	b.mustRun(last)
	if b.spilled == 0 || b.handed != len(set.Views())*b.slices {
		t.Errorf("the build put %d bytes on disk and handed out %d slices: nothing was tried", b.spilled, b.handed)
	}
	f.mustEqual("main", "built", set)

	// With more memory several slices are worth a transaction, and some are left for the
	// view's last one.
	for _, mib := range []int64{8, 12, 20} {
		base := fmt.Sprint("built", mib)
		several := f.builder(base, set)
		several.cfg.BuildBytes = mib << 20
		several.mustRun(last)
		f.mustEqual("main", base, set)
	}

	last = f.append(randomEvents(rand.New(rand.NewPCG(2, 31)), 500)...)
	f.catchUp(set, 1000, last)
	b.mustRun(last)
	if b.handed != 0 {
		t.Errorf("the projector built again: %d slices", b.handed)
	}
	f.mustEqual("main", "built", set)
	f.mustVerify(set)
}

// A build that is cut off, again and again, continues with the slices that it lacks.
func TestABuildThatIsCutOffGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := bigStory(f, 3)
	f.catchUp(set, 1000, last)
	b := f.builder("built", set)
	slices, done := 0, 0
	for i, stopAt := range []int{5, 9, 7, 11, 0} {
		b.stopAt = stopAt
		b.mustRun(last)
		slices = len(set.Views()) * b.slices
		if b.stopAt > 0 {
			// Small slices wait for each other, to be written together.
			whole := f.int(`select count(*) from readside.slices`)
			if whole < done || whole > done+b.stopAt {
				t.Errorf("%d slices were whole and %d were handed out; now %d are whole", done, b.stopAt, whole)
			}
			done = whole
			if shown := f.int(`select count(*) from readside.views where state = 'live' and projector like 'built%'`); shown != 0 {
				t.Errorf("readers are shown %d views that are not built", shown)
			}
			f.append(streamed{"noise", ignored{}}) // a build ends where it was to end
			last = f.append(randomEvents(rand.New(rand.NewPCG(uint64(i), 32)), 20)...)
		}
	}
	if done == 0 || b.handed != slices-done || f.int(`select count(*) from readside.builds`) != 0 {
		t.Errorf("%d slices of %d were whole, and %d were handed out at last", done, slices, b.handed)
	}
	f.catchUp(set, 1000, last)
	f.mustEqual("main", "built", set)
}

// So does one whose process is killed inside the transaction of a slice; what that one
// wrote is gone with it.
func TestABuildThatIsKilledGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.append(manyRows(50)...)
	// The engine's default takes logs of so many places for long ones.
	f.exec(`alter table eventlog.events alter column position restart with 60000`)
	last := bigStory(f, 4)

	gate := f.gateSlices("talk", 3)
	killed := f.process(time.Second)
	gate.reached()
	killed.signal(syscall.SIGKILL)
	<-killed.done
	done := f.int(`select count(*) from readside.slices`)
	gate.open()

	b := f.builder("main", set)
	b.cfg.BuildAbove, b.cfg.LeaseTTL = 0, time.Second
	b.mustRun(last)
	if all := len(set.Views()) * b.slices; done < 3 || b.handed != all-done {
		t.Errorf("%d slices of %d were whole, and the next worker handed out %d", done, all, b.handed)
	}
	f.mustVerify(set)
}

// A build whose epoch somebody raised writes no slice more: it continues as another attempt.
func TestABuildOfALowerEpochIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := bigStory(f, 5)
	b := f.builder("main", set)
	attempts, place, done, refused := 1, int64(0), 0, 0
	b.each = func(at progress.Fold) {
		if at.Place < place {
			attempts, refused = attempts+1, b.handed
		}
		place = at.Place
		if at.Phase == progress.Rows && b.handed == 13 && attempts == 1 {
			done = f.int(`select count(*) from readside.slices`)
			f.exec(`update readside.projectors set epoch = epoch + 1`)
		}
	}
	b.mustRun(last)
	if all := len(set.Views()) * b.slices; attempts != 2 || done == 0 || b.handed-refused != all-done {
		t.Errorf("after %d whole slices of %d the other %d attempts handed out %d", done, all, attempts-1, b.handed-refused)
	}
	f.mustVerify(set)
}
