package engine_test

import (
	"strings"
	"testing"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/operate/parked"
)

type (
	hall struct {
		ID   string `view:"id,key"`
		Name string `view:"name"`
	}
	seat struct {
		ID    string `view:"id,key"`
		Hall  string `view:"hall"`
		Total int    `view:"total"`
		Name  string `view:"name,join"`
	}
)

// seatSet is seats that show the name of their hall. A name with that word breaks the
// halls' handler, or the seats' join.
func seatSet(t *testing.T, brokenHandler, brokenJoin bool) *projections.Set {
	t.Helper()
	halls := projections.View[hall]{Name: "hall", Version: 1, Handlers: []projections.Handler[hall]{
		projections.Create(func(e roomOpened) string { return e.ID }, func(h *hall, e roomOpened, _ projections.Meta) error { h.Name = e.Name; return nil }),
		projections.Update(func(e roomRenamed) string { return e.ID }, func(h *hall, e roomRenamed, _ projections.Meta) error {
			if brokenHandler && e.Name == "bad" {
				return errBroken
			}
			h.Name = e.Name
			return nil
		}),
	}}
	seats := projections.View[seat]{Name: "seat", Version: 1, Handlers: []projections.Handler[seat]{
		projections.Create(func(e cardOpened) string { return e.ID }, func(s *seat, e cardOpened, _ projections.Meta) error { s.Hall = e.Room; return nil }),
		projections.Update(func(e cardAdded) string { return e.ID }, func(s *seat, e cardAdded, _ projections.Meta) error { s.Total += e.N; return nil }),
	}, Joins: []projections.Join[seat]{projections.JoinOn(&halls, func(s *seat) []string { return []string{s.Hall} }, func(s *seat, get func(string) *hall) {
		if h := get(s.Hall); h != nil {
			if s.Name = h.Name; brokenJoin && h.Name == "bad" {
				panic("join")
			}
		}
	}, "name")}}
	set, err := projections.NewSet(&halls, &seats)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A row whose join fails by no event of its own waits at the checkpoint, where by chance
// its own last event may be: that one is in the row, and stays there once.
func TestFailedJoinIsNoEventOfItsRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.catchUp(seatSet(t, true, true), 100, f.append(streamed{"r1", roomOpened{"r1", "one"}}, streamed{"c1", cardOpened{"c1", "r1"}},
		streamed{"r1", roomRenamed{"r1", "bad"}}, streamed{"c1", cardAdded{"c1", "", 5}}))
	if _, err := f.projector(seatSet(t, false, true), 100, nil).Retry(t.Context(), parked.Waiting{View: "hall"}); err != nil {
		t.Fatal(err)
	}
	if n := f.int(`select count(*) from readside.parked where view = 'seat' and reason = 'join' and stream = ''`); n != 1 {
		t.Fatalf("%d rows wait for their joins, not one", n)
	}
	f.mustVerify(seatSet(t, false, true))

	mended := seatSet(t, false, false)
	f.retries(mended, parked.Waiting{View: "seat"}, parked.Retried{Folded: 1})
	if total := f.int(`select total from views.seat_v1_g1 where name = 'bad'`); total != 5 {
		t.Errorf("the seat's total is %d, not 5", total)
	}
	f.mustVerify(mended)
}

// A join is of no event, so there is nothing to discard: it would fail again at once.
func TestFailedJoinIsNotDiscarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken, mended := cardSet(t, true), cardSet(t, false)
	f.append(streamed{"r1", roomOpened{"r1", "one"}}, streamed{"c1", cardOpened{"c1", "r1"}})
	f.catchUp(broken, 1, f.append(streamed{"r1", roomRenamed{"r1", "join"}}, streamed{"c1", cardAdded{"c1", "", 1}}))
	_, err := f.projector(broken, 100, nil).Discard(t.Context(), parked.Waiting{View: "card", Key: "c1"})
	if err == nil || !strings.Contains(err.Error(), "mend the join and retry") {
		t.Fatalf("it answered %v", err)
	}
	if n := f.int(`select count(*) from readside.parked where state <> 'discarded'`); n != 2 {
		t.Errorf("%d entries wait, not the join and the event behind it", n)
	}
	f.mustVerify(broken)
	f.retries(mended, parked.Waiting{View: "card", Key: "c1"}, parked.Retried{Folded: 2})
	f.mustVerify(mended)
}

// The join of a row that the batch did not touch fails at the batch's end, and is written
// down there: at the batch's beginning the row was right, and a comparison up to a place
// in between must not leave out what it had.
func TestFailedJoinIsParkedAtTheEndOfItsBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := seatSet(t, false, true)
	before := f.append(streamed{"r1", roomOpened{"r1", "one"}}, streamed{"c1", cardOpened{"c1", "r1"}})
	f.catchUp(set, 100, before)
	after := f.append(streamed{"r1", roomRenamed{"r1", "bad"}}, streamed{"r2", roomOpened{"r2", "two"}}, streamed{"r3", roomOpened{"r3", "three"}})
	f.catchUp(set, 100, after)
	if place := f.int(`select place from readside.parked where view = 'seat' and key = 'c1' and stream = ''`); place != int(after.Place()) {
		t.Errorf("the join is parked at place %d, and its batch from %d to %d ends where it failed", place, before.Place(), after.Place())
	}
	f.mustVerify(set)
}
