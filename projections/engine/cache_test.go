package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
)

// running is a projector that folds as the test continues, with what it has cached.
type running struct {
	*fixture
	folded chan eventlog.Position
	done   chan error
	cancel context.CancelFunc
}

func (f *fixture) run(set *projections.Set, batch, cacheBytes int) *running {
	f.t.Helper()
	r := &running{fixture: f, folded: make(chan eventlog.Position, 1000), done: make(chan error, 1)}
	p, err := newDesk(engine.Config{
		Application: dbtest.Application,
		Log:         f.log, Postgres: f.config, Set: set, BatchEvents: batch, CacheBytes: cacheBytes,
		Logger:   slog.New(counter{slog.NewTextHandler(f.t.Output(), nil), &f.warnings}),
		Observer: engine.Observer{Folded: func(x engine.Folded) { r.folded <- x.Position }},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	bound := patience
	if *full {
		bound = 10 * patience
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), bound)
	r.cancel = cancel
	f.t.Cleanup(cancel)
	go func() { r.done <- p.Run(ctx) }()
	return r
}

// step appends events and waits until they are folded.
func (r *running) step(events ...streamed) {
	r.t.Helper()
	last := r.append(events...)
	for {
		select {
		case at := <-r.folded:
			if at.Place() >= last.Place() {
				return
			}
		case err := <-r.done:
			r.t.Fatalf("the projector stopped before place %d: %v", last.Place(), err)
		}
	}
}

func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.t.Fatal(err)
	}
}

// speech is a talk that needs no room.
type speech struct {
	ID          string            `view:"id,key"`
	Speaker     string            `view:"speaker"`
	SpeakerName string            `view:"speaker_name,join"`
	Title       string            `view:"title"`
	Stars       int               `view:"stars"`
	Ratings     int32             `view:"ratings"`
	FirstRated  *time.Time        `view:"first_rated"`
	Nickname    *string           `view:"nickname"`
	Notes       map[string]string `view:"notes"`
}

// newFlatSet joins by a copy only, from a view without joins: its batches are folded
// ahead of their writing.
func newFlatSet(t *testing.T, brokenTitle string) *projections.Set {
	t.Helper()
	persons := people()
	set, err := projections.NewSet(&persons, &projections.View[speech]{Name: "talk", Version: 1,
		Handlers: []projections.Handler[speech]{
			projections.Create(func(e talkProposed) string { return e.ID }, func(s *speech, e talkProposed, _ projections.Meta) error {
				if brokenTitle != "" && e.Title == brokenTitle {
					return errBroken
				}
				s.Speaker, s.Title, s.Nickname, s.Notes = e.Speaker, e.Title, &e.Title, map[string]string{"title": e.Title}
				return nil
			}),
			projections.Update(func(e talkMoved) string { return e.ID }, func(s *speech, e talkMoved, _ projections.Meta) error {
				s.Speaker, s.Nickname = e.Speaker, nil
				return nil
			}),
			projections.UpdateEach(func(e talksRated, _ projections.Meta) []string { return e.IDs }, func(s *speech, _ string, e talksRated, m projections.Meta) error {
				s.Stars += e.Stars
				s.Ratings++
				s.FirstRated = &m.Time
				return nil
			}),
			projections.Delete[speech](func(e talkCancelled) string { return e.ID }),
		},
		Joins: []projections.Join[speech]{projections.Copy[speech](&persons, "speaker", "speaker_name=name")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Whatever the cache keeps between batches, the tables are what the log gives: with
// none, with a row or a few, with all.
func TestTablesAreTheSameWithAnyCache(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]*projections.Set{"in turn": mustSet(t, ""), "ahead": newFlatSet(t, "")} {
		for i, cacheBytes := range []int{-1, 3000, 0} {
			for _, batch := range []int{1, 20} {
				if batch == 1 && cacheBytes != 3000 {
					continue // what is evicted in the middle is what matters there
				}
				t.Run(fmt.Sprintf("%s/%d bytes/batches of %d", name, cacheBytes, batch), func(t *testing.T) {
					t.Parallel()
					f := newFixture(t)
					r := rand.New(rand.NewPCG(uint64(batch), uint64(i)))
					p := f.run(set, batch, cacheBytes)
					for range 12 {
						p.step(randomEvents(r, 1+r.IntN(40))...)
					}
					p.stop()
					f.mustVerify(set)
					if n := f.warnings.Load(); n > 0 {
						t.Errorf("%d tries failed", n)
					}
				})
			}
		}
	}
}

// A changed source is brought to the rows by a statement that the cache does not see.
// What the cache remembers of their copied columns must not decide what is written.
func TestCopiedColumnsThatTheCacheDidNotSeeChange(t *testing.T) {
	t.Parallel()
	rated := streamed{"ratings", talksRated{[]string{"t1"}, 1}}
	renamed := func(name string) streamed { return streamed{"p1", personRenamed{"p1", name}} }
	stories := map[string][][]streamed{
		"there and back with a touch":   {{renamed("Y")}, {renamed("X"), rated}},
		"there, a touch and back":       {{renamed("Y")}, {rated}, {renamed("X"), rated}},
		"the source goes":               {{renamed("Y")}, {{"p1", personErased{"p1"}}, rated}},
		"the row goes":                  {{{"p1", personErased{"p1"}}}, {{"t1", talkCancelled{"t1"}}}},
		"the row goes before its image": {{{"p3", personRegistered{"p3", "Z"}}}, {{"t3", talkCancelled{"t3"}}}},
		"to another source and back":    {{renamed("Y")}, {{"t1", talkMoved{"t1", "p2"}}}, {renamed("X")}, {{"t1", talkMoved{"t1", "p1"}}}, {rated}},
		"to a source of the same name":  {{renamed("Y")}, {{"p2", personRenamed{"p2", "X"}}}, {{"t1", talkMoved{"t1", "p2"}}}},
	}
	for name, story := range stories {
		for kind, set := range map[string]*projections.Set{"in turn": mustSet(t, ""), "ahead": newFlatSet(t, "")} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				p := f.run(set, 100, 0)
				p.step(
					streamed{"p1", personRegistered{"p1", "X"}}, streamed{"p2", personRegistered{"p2", "W"}},
					streamed{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "one"}},
					streamed{"t3", talkProposed{ID: "t3", Speaker: "p3", Title: "three"}},
				)
				for _, events := range story {
					p.step(events...)
				}
				p.stop()
				f.mustVerify(set)
			})
		}
	}
}

// A guest that changes a row raises the epoch; what the owner remembers of it is worth
// nothing from then on.
func TestRowChangedUnderAnotherEpochIsLoadedAnew(t *testing.T) {
	t.Parallel()
	for kind, set := range map[string]*projections.Set{"in turn": mustSet(t, ""), "ahead": newFlatSet(t, "")} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			p := f.run(set, 100, 0)
			p.step(streamed{"t1", talkProposed{ID: "t1", Speaker: "p1", Title: "one"}}, streamed{"ratings", talksRated{[]string{"t1"}, 1}})
			tx, err := f.db.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{
				`select from readside.projectors for update`,
				`update views.talk_v1_g1 set stars = 100 where id = 't1'`,
				`update readside.projectors set epoch = epoch + 1`,
			} {
				if _, err := tx.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.step(streamed{"ratings", talksRated{[]string{"t1"}, 5}})
			p.stop()
			if got := f.int(`select stars from views.talk_v1_g1 where id = 't1'`); got != 105 {
				t.Errorf("the row has %d stars, want the 100 that somebody set and 5", got)
			}
		})
	}
}

// A fault in a batch that is folded ahead parks its event, and what stands before and
// behind it is folded once.
func TestFaultOfABatchFoldedAheadIsParked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 50 {
		f.append(streamed{"ratings", talksRated{[]string{"t1", fmt.Sprint("u", i)}, 1}})
	}
	f.append(streamed{"t2", talkProposed{ID: "t2", Speaker: "p1", Title: "broken"}})
	var last eventlog.Position
	for range 30 {
		last = f.append(streamed{"ratings", talksRated{[]string{"t1"}, 1}}, streamed{"ratings", talksRated{[]string{"t2"}, 1}})
	}
	set := newFlatSet(t, "broken")
	f.catchUp(set, 10, last)
	if got := f.int(`select ratings from views.talk_v1_g1 where id = 't1'`); got != 80 {
		t.Errorf("the row has %d ratings, want 80", got)
	}
	if got := f.int(`select count(*) from readside.parked where key = 't2'`); got != 31 {
		t.Errorf("%d events of the other row wait, not the fault and the 30 behind it", got)
	}
	f.mustVerify(set)
	mended := newFlatSet(t, "")
	f.retries(mended, parked.Waiting{View: "talk", Key: "t2"}, parked.Retried{Folded: 31})
	f.mustVerify(mended)
}
