package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/readside/readside/projections"
)

type hit struct {
	ID string
	N  int
	// Mark is a row of another view that the hit touches, too; empty for none.
	Mark string
}

func (hit) EventType() (string, int) { return "test.Hit", 1 }

// marked makes a mark visible; the test has none.
type marked struct{ ID string }

func (marked) EventType() (string, int) { return "test.Marked", 1 }

// tally counts hits: an event that is folded into an old row shows in the sum.
type tally struct {
	ID  string `view:"id,key"`
	Sum int64  `view:"sum"`
}

type mark struct {
	ID   string `view:"id,key"`
	Hits int64  `view:"hits"`
}

// brokenHit is a hit that cannot be folded.
const brokenHit = 666

func tallySet(t *testing.T) *projections.Set {
	t.Helper()
	set, err := projections.NewSet(
		&projections.View[tally]{Name: "tally", Version: 1, Handlers: []projections.Handler[tally]{
			projections.Create(func(e hit) string { return e.ID }, func(r *tally, e hit, _ projections.Meta) error {
				if e.N == brokenHit {
					return errors.New("this hit cannot be folded")
				}
				r.Sum += int64(e.N)
				return nil
			}),
		}},
		&projections.View[mark]{Name: "trace", Version: 1, Handlers: []projections.Handler[mark]{
			projections.Create(func(e marked) string { return e.ID }, func(*mark, marked, projections.Meta) error { return nil }),
			projections.UpdateEach(func(e hit, _ projections.Meta) []string {
				if e.Mark == "" {
					return nil
				}
				return []string{e.Mark}
			}, func(r *mark, _ string, _ hit, _ projections.Meta) error { r.Hits++; return nil }),
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// hits are n hits of as many keys as there are, of which those behind the first
// unmarked ones touch a mark, too.
func hits(n, keys, unmarked int) []streamed {
	out := make([]streamed, n)
	for i := range out {
		h := hit{ID: fmt.Sprint("k", i%keys), N: 1}
		if i >= unmarked {
			h.Mark = "m"
		}
		out[i] = streamed{h.ID, h}
	}
	return out
}

// After an ownership has ended and another begun, batches are counted again. Rows of a
// batch that is not committed stay in the cache, however many were committed before:
// the tables do not have them yet.
func TestRowsOfAnUncommittedBatchAreKeptAfterAResume(t *testing.T) {
	t.Parallel()
	const keys, batch, batches = 400, 1000, 4
	for _, cacheBytes := range []int{-1, 64 << 10} {
		t.Run(fmt.Sprint(cacheBytes), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			set := tallySet(t)
			r := f.run(set, batch, cacheBytes)
			for range batches {
				r.step(hits(batch, keys, batch)...)
			}
			r.step(streamed{"broken", hit{ID: "broken", N: brokenHit}}) // it is parked, and the ownership ends
			g := f.gateCheckpoint()
			// A reader that is near the log's end reads the first 512 events at once, and
			// then whole batches.
			last := f.append(hits(batches*batch, keys, 600)...)
			g.reached()
			f.until("the next batch is folded while this one waits to be committed", func() bool {
				return f.int(`select count(*) from pg_stat_activity where datname = current_database()
 and application_name = 'readside projector' and query like 'select%trace_v1_g1%' and state = 'idle'`) > 0
			})
			g.open()
			r.reach(r.folded, last)
			r.stop()
			if sum, want := f.int(`select sum(sum) from views.tally_v1_g1`), 2*batches*batch; sum != want {
				t.Errorf("updates are lost: the sum is %d, want %d", sum, want)
			}
			f.mustVerify(set)
		})
	}
}
