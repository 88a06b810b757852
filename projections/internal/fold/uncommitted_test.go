package fold_test

import (
	"log/slog"
	"testing"

	"github.com/readside/readside/projections/internal/fold"
)

// The counterpart of TestRowsOfAnUncommittedBatchAreKeptAfterAResume without Postgres:
// the interleaving is written down, step by step.
//
//	turn 1   three batches are committed, and it ends
//	turn 2   fold a ahead · fold b ahead, which touches a's row · write a · write b
func TestRowsOfAnUncommittedBatchStayInTheCache(t *testing.T) {
	set, err := simFlat()
	if err != nil {
		t.Fatal(err)
	}
	story := map[int64]simEvent{}
	s := &simulation{ctx: t.Context(), set: set, db: newSimDB(), cfg: fold.Config{Projector: "sim", Logger: slog.New(slog.DiscardHandler), Set: set.set, BatchEvents: 100, ParkedMax: 1000, CacheBytes: -1}}
	for place := int64(1); place <= 5; place++ {
		story[place] = simEvent{stream: "o0", value: simAdded{IDs: []string{"o0"}, N: 1 << place}}
		if place == 1 {
			story[place] = simEvent{stream: "o0", value: simPlaced{ID: "o0", Buyer: "p0"}}
		}
		s.log = append(s.log, story[place].stored(place))
	}
	s.oracle = newSimOracle(false, story)
	_, session := s.connect(nil)
	_, loader := s.connect(nil)
	w := s.newWorker(session)
	begin := func() {
		f, err := s.footing(nil)
		if err != nil {
			t.Fatal(err)
		}
		w.take(s.log, f)
	}
	ahead := func(from int64) *fold.Folding {
		f := w.turn.FoldAhead(t.Context(), s.upTo(from, from+1), loader)
		if f.Failed() != nil {
			t.Fatal(f.Failed())
		}
		return f
	}
	write := func(f *fold.Folding) {
		t.Helper()
		if err := w.turn.Advance(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if err := s.check(); err != nil {
			t.Error(err)
		}
	}
	begin()
	for from := range int64(3) {
		write(ahead(from))
	}
	begin()
	a := ahead(3)
	b := ahead(4)
	write(a)
	write(b)
}
