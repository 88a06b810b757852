package engine_test

import (
	"math/rand/v2"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/engine"
)

// One damaged row is mended beside a running worker, whatever is wrong with it, with
// the rows that join it; the worker forgets what it knew of it.
func TestRebuildKeyMendsOneRow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ view, key, damage string }{
		"own column":    {"talk", "t1", `update views.talk_v1_g1 set title = 'damaged' where id = 't1'`},
		"joined column": {"talk", "t1", `update views.talk_v1_g1 set speaker_name = 'damaged' where id = 't1'`},
		"missing":       {"talk", "t1", `delete from views.talk_v1_g1 where id = 't1'`},
		"surplus":       {"room", "stray", `insert into views.room_v1_g1 values ('stray', 'stray', 0, 2)`},
		"a source":      {"person", "p1", `update views.person_v1_g1 set name = 'damaged' where id = 'p1'; update views.talk_v1_g1 set speaker_name = 'damaged' where speaker = 'p1'; update views.badge_v1_g1 set speaker = 'damaged' where talk = 't1'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			set := mustSet(t, "")
			folded := make(chan eventlog.Position, 10_000)
			r := rand.New(rand.NewPCG(6, 6))
			f.append(streamed{"p1", personRegistered{"p1", "Ann"}}, streamed{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "one"}}, streamed{"b1", badgePrinted{"b1", "t1"}})
			defer f.runs(f.projector(set, 100, folded))()
			f.reach(folded, f.append(randomEvents(r, 100)...))
			f.reach(folded, f.append(streamed{"p1", personRegistered{"p1", "Bea"}}, streamed{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "two"}}))
			f.exec(c.damage)
			got, err := f.projector(set, 100, nil).RebuildKey(t.Context(), c.view, c.key)
			if err != nil {
				t.Fatal(err)
			}
			if got.Repaired == nil || got.Repaired.Key != c.key {
				t.Errorf("it says %+v", got)
			}
			f.mustVerify(set)
			f.reach(folded, f.append(randomEvents(r, 50)...))
			f.mustVerify(set)
			if again, err := f.projector(set, 100, nil).RebuildKey(t.Context(), c.view, c.key); err != nil || again.Repaired != nil {
				t.Errorf("a row that is right: %+v, %v", again, err)
			}
		})
	}
}

func TestPlanOfARebuild(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	f.catchUp(set, 100, ratings(f, 3))
	plan, err := f.projector(set, 100, nil).PlanRebuild(t.Context(), "room", engine.RebuildOptions{MaxRate: 2})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Events != 1 || len(plan.Types) != 1 || plan.Types[0].Type != "test.TalkProposed" || plan.Took.Milliseconds() != 500 || plan.Bytes <= 0 || plan.Connections < 2 {
		t.Errorf("the plan is %+v", plan)
	}
}
