package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/operate/parked"
)

// What is wrong with an event of a build is parked as in a batch.
func TestFaultsOfABuildAreParked(t *testing.T) {
	t.Parallel()
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			broken, mended := cardSet(t, true), cardSet(t, false)
			f.append(streamed{"r1", roomOpened{"r1", "one"}}, streamed{"c1", cardOpened{"c1", "r1"}}, streamed{"c2", cardOpened{"c2", "r1"}},
				streamed{"c1", cardAdded{"c1", "", 1}}, streamed{"c2", cardAdded{"c2", "", 10}})
			bad := f.appendDamage(d, "c1")
			last := f.append(streamed{"c1", cardAdded{"c1", "", 2}}, streamed{"c2", cardAdded{"c2", "", 20}}, streamed{"r1", roomRenamed{"r1", "eins"}},
				streamed{"c1", cardAdded{"c1", "", 3}}, streamed{"c3", cardOpened{"c3", "r1"}})
			f.builder("main", broken).mustRun(last)
			f.checkParked(broken, d, bad)
			f.mustVerify(broken)

			// The batches that follow queue behind it.
			f.catchUp(broken, 100, f.append(streamed{"c1", cardAdded{"c1", "", 4}}))
			f.mustVerify(broken)
			if d.name == "hopeless" {
				f.discards(mended, parked.Waiting{View: "card", Stream: "c1"}, parked.Retried{Folded: 3, Discarded: 1})
				f.mustBe("c1", 10, "[1,2,3,4]")
				f.mustVerify(mended)
				return
			}
			f.retries(mended, parked.Waiting{View: "card"}, parked.Retried{Folded: 4})
			f.mustBe("c1", 17, "[1,7,2,3,4]")
			f.mustVerify(mended)
		})
	}
}

// manyCards are cards with notes so long that a build puts them on disk.
func manyCards(f *fixture, n int) eventlog.Position {
	var events []streamed
	for i := range n {
		id := fmt.Sprint("many", i)
		events = append(events, streamed{id, cardOpened{id, "r1"}}, streamed{id, cardAdded{id, strings.Repeat("note ", 80), i}}, streamed{id, cardAdded{id, "", 1}})
	}
	return f.append(events...)
}

// Random stories with damaged events, built with cuts, in the end by code that is repaired
// already or not: once repaired code has retried, the tables are what it folds from the log.
func TestFaultsOfABuildThatIsCutOff(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 41))
			f := newFixture(t)
			broken, mended := cardSet(t, true), cardSet(t, false)
			f.randomCards(r, 100)
			manyCards(f, 800)
			last := f.randomCards(r, 200)
			b := f.builder("main", broken)
			for range 2 {
				b.stopAt = 1 + r.IntN(7)
				b.mustRun(last)
			}
			if b.spilled == 0 {
				t.Error("nothing was put on disk")
			}
			b.stopAt = 0
			if seed%2 == 1 {
				b.cfg.Set = mended
			}
			b.mustRun(last)
			if b.cfg.Set == broken {
				f.mustVerify(broken)
			}
			got, err := f.projector(mended, 100, nil).Retry(t.Context(), parked.Waiting{View: "card"})
			if err != nil && !errors.Is(err, parked.ErrNothingWaits) {
				t.Fatal(err)
			}
			f.mended(got, nil, parked.Retried{Folded: got.Folded})
			f.mustVerify(mended)
		})
	}
}

// A build halts over the bound of parked events; those that it meets again when it
// continues count once.
func TestABuildHaltsOverTheBoundOfParkedEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	const faults = 10
	var last eventlog.Position
	for i := range faults {
		id := fmt.Sprint("c", i)
		last = f.append(streamed{id, cardOpened{id, ""}}, streamed{id, cardAdded{id, "handler", 1}}, streamed{id, cardAdded{id, "", 2}})
	}
	b := f.builder("main", broken)
	b.cfg.ParkedMax = faults - 1
	var fault *projections.FoldError
	if err := b.run(last); !errors.As(err, &fault) || !errors.Is(err, errBroken) || fault.Hint == "" {
		t.Fatalf("with one event too many the build answered %v", err)
	}
	if f.int(`select count(*) from readside.projectors where state = 'halted' and fault->>'view' = 'card'`) != 1 {
		t.Error("the projector's row does not say that it halted")
	}
	b.cfg.ParkedMax = faults
	for _, b.stopAt = range []int{1, 2, 3, 0} {
		b.mustRun(last)
		if b.stopAt > 0 {
			f.refusesToMend(mended)
		}
	}
	if got := f.int(`select count(*) from readside.parked where state = 'parked'`); got != faults {
		t.Errorf("%d events are parked, not %d", got, faults)
	}
	f.mustVerify(broken)
	f.retries(mended, parked.Waiting{View: "card"}, parked.Retried{Folded: 2 * faults})
	f.mustVerify(mended)
}

// refusesToMend sees that nothing is repaired in tables that lack slices: those would
// bring the rows once more.
func (f *fixture) refusesToMend(set *projections.Set) {
	f.t.Helper()
	for _, mend := range []func(context.Context, parked.Waiting) (parked.Retried, error){
		f.projector(set, 100, nil).Retry, f.projector(set, 100, nil).Discard,
	} {
		_, err := mend(f.t.Context(), parked.Waiting{View: "card", Key: "c0"})
		if err == nil || !strings.Contains(err.Error(), "still building") {
			f.t.Errorf("mending while the view is built: %v", err)
		}
	}
}
