package engine_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
)

// mustPark runs a projector until p, which must park exactly one event, of the row.
func (f *fixture) mustPark(set *projections.Set, view, key, reason string, p eventlog.Position) {
	f.t.Helper()
	f.catchUp(set, 100, p)
	entries, err := f.projector(set, 100, nil).Parked(f.t.Context(), "")
	if err != nil {
		f.t.Fatal(err)
	}
	if len(entries) != 1 {
		f.t.Fatalf("parked are %+v", entries)
	}
	if e := entries[0]; e.View != view || e.Key != key || e.Reason != reason || e.State != "parked" || e.Error == "" || e.Hint == "" {
		f.t.Errorf("parked is %+v", e)
	}
	if got := f.int(`select count(*) from readside.degraded where view = $1 and key = $2`, view, key); got != 1 {
		f.t.Error("readers are not told of the row")
	}
}

// Postgres refuses long values in an index, again and again: that is a fault.
func TestValueTooLongForItsIndexIsParked(t *testing.T) {
	t.Parallel()
	long := make([]byte, 6000)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range long {
		long[i] = byte('!' + r.IntN(90))
	}
	f := newFixture(t)
	f.append(streamed{"t1", talkProposed{ID: "t1", Speaker: "p1"}})
	f.mustPark(mustSet(t, ""), "talk", "t1", "unstorable", f.append(streamed{"t1", talkMoved{"t1", string(long)}}))
}

// Keys of a join that no row can have are keys without a row.
func TestImpossibleKeysOfJoinsHaveNoRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	long := make([]byte, 6000)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range long {
		long[i] = byte('!' + r.IntN(90))
	}
	f.append(streamed{"r1", roomOpened{"r1", "one"}})
	f.append(streamed{"t1", talkProposed{ID: "t1", Speaker: "p1"}})
	set := mustSet(t, "")
	f.catchUp(set, 100, f.append(streamed{"t1", talkRoomsSet{"t1", []string{"", string(long), `r"},{\`, "r1"}}}))
	f.catchUp(set, 100, f.append(streamed{"r1", roomRenamed{"r1", "eins"}}))
	f.mustVerify(set)
	if got := f.int(`select count(*) from views.talk_v1_g1 where room_names::text = '["eins"]'`); got != 1 {
		t.Error("the room that there is was not joined")
	}
}

type (
	boxPacked struct {
		ID    string
		Items []boxItem
	}
	boxCounted struct{ ID string }
	boxItem    struct{ N int }
)

func (boxPacked) EventType() (string, int)  { return "test.BoxPacked", 1 }
func (boxCounted) EventType() (string, int) { return "test.BoxCounted", 1 }

type box struct {
	ID    string    `view:"id,key"`
	Items []boxItem `view:"items"`
	Room  string    `view:"room,join"`
}

// boxes is a view whose handlers keep a slice of the event and count in it, and whose
// join is the caller's.
func boxes(t *testing.T, keys func(*box) []string, fill func(*box, func(string) *room)) *projections.Set {
	t.Helper()
	rooms := rooms()
	set, err := projections.NewSet(&rooms, &projections.View[box]{Name: "box", Version: 1,
		Handlers: []projections.Handler[box]{
			projections.Create(func(e boxPacked) string { return e.ID },
				func(b *box, e boxPacked, _ projections.Meta) error { b.Items = e.Items; return nil }),
			projections.Update(func(e boxCounted) string { return e.ID },
				func(b *box, _ boxCounted, _ projections.Meta) error { b.Items[0].N++; return nil }),
		},
		Joins: []projections.Join[box]{projections.JoinOn(&rooms, keys, fill, "name")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A key with a NUL, which no store takes, halts nothing either.
func TestKeyWithNULHasNoRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := boxes(t, func(*box) []string { return []string{"r\x00", "r\xff"} }, func(b *box, get func(string) *room) {
		if get("r\x00") == nil {
			b.Room = "none"
		}
	})
	f.catchUp(set, 100, f.append(streamed{"b1", boxPacked{"b1", nil}}))
	f.mustVerify(set)
}

// What stands before a fault in its batch is folded twice, the first time in vain: a
// handler that changes what it keeps of an event must not see the change again.
func TestWhatStandsBeforeAFaultIsFoldedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := boxes(t, func(*box) []string { return nil }, func(*box, func(string) *room) {})
	f.catchUp(set, 100, f.append(streamed{"r1", roomOpened{"r1", "one"}}))
	last := f.append(
		streamed{"b1", boxPacked{"b1", []boxItem{{N: 0}}}},
		streamed{"b1", boxCounted{"b1"}},
		streamed{"b2", boxPacked{"b2", nil}},
		streamed{"b2", boxCounted{"b2"}}, // panics
	)
	f.mustPark(set, "box", "b2", "panic", last)
	if got := f.int(`select (items->0->>'N')::int from views.box_v1_g1 where id = 'b1'`); got != 1 {
		t.Errorf("counted once, folded %d times", got)
	}
	f.mustVerify(set)
}

// A join's functions are code too: their panics park, and so does a key that fill asks
// for and keys did not name, since nothing would bring its changes to the row.
func TestFaultsOfJoinsAreParked(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]*projections.Set{
		"keys panic":  boxes(t, func(b *box) []string { return []string{string(rune(b.Items[7].N))} }, func(*box, func(string) *room) {}),
		"fill panics": boxes(t, func(*box) []string { return nil }, func(b *box, _ func(string) *room) { b.Items[7].N++ }),
		"fill asks for an unnamed key": boxes(t, func(*box) []string { return []string{"r2"} }, func(b *box, get func(string) *room) {
			if r := get("r1"); r != nil {
				b.Room = r.Name
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.mustPark(set, "box", "b1", "join", f.append(streamed{"b1", boxPacked{"b1", []boxItem{{N: 1}}}}))
		})
	}
}

// A write that does not find its rows must not be committed with the rest.
func TestWriteThatFindsNoRowIsNotCommitted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := f.append(streamed{"b1", badgePrinted{"b1", "t1"}})
	f.catchUp(set, 100, last)
	f.exec(`create function keep() returns trigger language plpgsql as $$ begin return null; end $$`)
	f.exec(`create trigger keep before update on views.badge_v1_g1 for each row execute function keep()`)
	f.append(streamed{"b1", badgePrinted{"b1", "t1"}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.projector(set, 100, nil).Run(ctx) }()
	f.until("the worker has tried and failed", func() bool { return f.warnings.Load() > 0 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := f.int(`select place from readside.projectors`); got != int(last.Place()) {
		t.Errorf("the checkpoint moved to %d though the row did not", got)
	}
}

func TestBatchesFitIntoThePagesOfTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	for _, size := range []int{-1, 50_001} {
		_, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: set, BatchEvents: size})
		if err == nil || !strings.Contains(err.Error(), "BatchEvents") {
			t.Errorf("batches of %d events: %v", size, err)
		}
	}
	f.catchUp(set, 50_000, ratings(f, 3))
}
