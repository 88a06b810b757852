package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/replay/keyhash"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/verify"
	"github.com/readside/readside/projections/progress"
)

// verifyWith verifies one view with a changed configuration.
func (f *fixture) verifyWith(set *projections.Set, view string, change func(*verify.Config)) verify.Result {
	f.t.Helper()
	cfg := verify.Config{Application: dbtest.Application, Projector: "main", Log: f.log, Postgres: f.config, Set: set, Views: []string{view}, Dir: f.t.TempDir()}
	change(&cfg)
	found, err := verify.Views(f.t.Context(), cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(found) != 1 || found[0].View != view {
		f.t.Fatalf("verifying %s answered %+v", view, found)
	}
	return found[0]
}

// manyRows are events of n people with a talk and a badge each.
func manyRows(n int) []streamed {
	var events []streamed
	for i := range n {
		p, t, b := fmt.Sprint("person", i), fmt.Sprint("talk", i), fmt.Sprint("badge", i)
		events = append(events, streamed{b, badgePrinted{b, t}},
			streamed{t, talkProposed{t, p, strings.Repeat("a long title ", 20), []string{"r1", "r2"}}},
			streamed{p, personRegistered{p, strings.Repeat("a long name ", 20)}})
	}
	return events
}

// However small the memory, the same rows differ: what does not fit goes to disk, the
// rows of sources into temporary tables.
func TestVerifyFindsTheSameInLittleMemory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.append(randomEvents(rand.New(rand.NewPCG(11, 3)), 1000)...)
	f.catchUp(set, 5000, f.append(manyRows(2500)...))
	f.exec(`update views.talk_v1_g1 set stars = stars + 1 where id in ('talk3', 'talk4')`)
	f.exec(`delete from views.badge_v1_g1 where id in ('badge1', 'badge2')`)
	f.exec(`update views.badge_v1_g1 set speaker = speaker || '?' where id = 'badge3'`)
	f.exec(`insert into views.badge_v1_g1 values ('stray', 't1', '', 1, 2)`)
	findings := func(budget int64) string {
		var spilled int64
		found, err := verify.Views(t.Context(), verify.Config{
			Application: dbtest.Application,
			Projector:   "main", Log: f.log, Postgres: f.config, Set: set, Budget: budget, Dir: t.TempDir(),
			Progress: func(p progress.Fold) { spilled = p.Spilled },
		})
		if err != nil {
			t.Fatal(err)
		}
		if little := budget > 0; little != (spilled > 0) {
			t.Errorf("with a budget of %d, %d bytes went to disk", budget, spilled)
		}
		text := ""
		for _, v := range found {
			text += fmt.Sprintln(v.View, v.Rows, v.Differences)
		}
		return text
	}
	much, little := findings(0), findings(1<<20)
	if much != little {
		t.Errorf("with little memory verify found\n%s\nand with much\n%s", little, much)
	}
	badge := f.verifyWith(set, "badge", func(*verify.Config) {})
	kinds := map[string]int{}
	for _, d := range badge.Differences.First {
		kinds[d.Kind]++
	}
	if badge.Differences.Count != 4 || kinds["missing"] != 2 || kinds["surplus"] != 1 || kinds["differs"] != 1 {
		t.Errorf("verify found %+v", badge.Differences)
	}
}

// A sample compares its share of the keys, always the same ones, and its result names the share.
func TestVerifyComparesASample(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 1000, f.append(randomEvents(rand.New(rand.NewPCG(12, 3)), 2000)...))
	all := f.verifyWith(set, "talk", func(*verify.Config) {})
	f.exec(`update views.talk_v1_g1 set title = 'damaged' where _state <> 0`)
	within := 0
	for i := range 60 {
		if keyhash.InShare(fmt.Sprint("t", i), 0.3) {
			within++
		}
	}
	some := f.verifyWith(set, "talk", func(c *verify.Config) { c.Sample = 0.3 })
	if some.Share != 0.3 || some.Rows != within || some.Differences.Count != within || within == 0 || some.Rows >= all.Rows {
		t.Errorf("of %d rows %d are in the sample, and verify found %+v", all.Rows, within, some)
	}
	for _, d := range some.Differences.First {
		if !keyhash.InShare(d.Key, 0.3) {
			t.Errorf("row %s is not in the sample", d.Key)
		}
	}
}

// Checksums say whether a table is right: a value that is another, a row that is gone.
func TestVerifyComparesChecksums(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 1000, f.append(randomEvents(rand.New(rand.NewPCG(13, 3)), 1000)...))
	check := func(when string, want bool) {
		t.Helper()
		v := f.verifyWith(set, "talk", func(c *verify.Config) { c.Checksum = true })
		if v.Checksum == nil || v.OK() != want || v.Checksum.Equal != want || v.Rows == 0 || v.Differences.Count != 0 {
			t.Errorf("%s: %+v, %+v", when, v, v.Checksum)
		}
	}
	check("as it was folded", true)
	f.exec(`update views.talk_v1_g1 set stars = stars + 1 where id = (select min(id) from views.talk_v1_g1)`)
	check("with another value", false)
	f.exec(`update views.talk_v1_g1 set stars = stars - 1 where id = (select min(id) from views.talk_v1_g1)`)
	check("mended", true)
	f.exec(`delete from views.talk_v1_g1 where id = (select min(id) from views.talk_v1_g1)`)
	check("without a row", false)
}

// What is parked or discarded is not in the rows, and verify leaves it out too.
func TestVerifyLeavesOutWhatIsParked(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"t1", ""} {
		f := newFixture(t)
		set := mustSet(t, "")
		f.append(streamed{"p1", personRegistered{"p1", "Ada"}}, streamed{"p2", personRegistered{"p2", "Bob"}},
			streamed{"t1", talkProposed{"t1", "p1", "On views", nil}})
		moved := f.append(streamed{"t1", talkMoved{"t1", "p2"}})
		f.catchUp(set, 100, moved)
		f.mustVerify(set)
		f.exec(fmt.Sprintf(`insert into readside.parked (projector, view, place, key, stream, event_type, state)
values ('%s', 'talk', %d, '%s', 't1', 'test.TalkMoved', 'parked')`, engine.ProjectorName("main", set), moved.Place(), key))
		v := f.verifyWith(set, "talk", func(*verify.Config) {})
		if v.Differences.Count != 1 || fmt.Sprint(v.Differences.First[0].Columns) != "[speaker speaker_name]" || v.Differences.First[0].Folded != "p1" {
			t.Errorf("with the event of key %q parked, verify found %+v", key, v.Differences)
		}
		f.exec(`update views.talk_v1_g1 set speaker = 'p1', speaker_name = 'Ada'`)
		f.mustVerify(set)
	}
}
