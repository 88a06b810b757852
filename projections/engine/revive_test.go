package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/operate/rebuild"
)

// Events of seats, which are taken and left again and again, and of who sits there.
type (
	seatTaken   struct{ Seat, Guest string }
	seatMoved   struct{ Seat, Guest string }
	seatLeft    struct{ Seat string }
	guestNamed  struct{ Guest, Name string }
	guestParted struct{ Guest string }
)

func (seatTaken) EventType() (string, int)   { return "test.SeatTaken", 1 }
func (seatMoved) EventType() (string, int)   { return "test.SeatMoved", 1 }
func (seatLeft) EventType() (string, int)    { return "test.SeatLeft", 1 }
func (guestNamed) EventType() (string, int)  { return "test.GuestNamed", 1 }
func (guestParted) EventType() (string, int) { return "test.GuestParted", 1 }

type chair struct {
	ID    string `view:"id,key"`
	Guest string `view:"guest"`
	Moves int    `view:"moves"`
	Name  string `view:"name,join"`
}

type seated struct {
	ID   string `view:"id,key"`
	Name string `view:"name"`
}

func chairSet(t testing.TB, revive bool) *projections.Set {
	t.Helper()
	guests := projections.View[seated]{Name: "guest", Version: 1, Revive: revive, Handlers: []projections.Handler[seated]{
		projections.Create(func(e guestNamed) string { return e.Guest },
			func(g *seated, e guestNamed, _ projections.Meta) error { g.Name = e.Name; return nil }),
		projections.Delete[seated](func(e guestParted) string { return e.Guest }),
	}}
	seats := projections.View[chair]{Name: "seat", Version: 1, Revive: revive, Handlers: []projections.Handler[chair]{
		projections.Create(func(e seatTaken) string { return e.Seat },
			func(s *chair, e seatTaken, _ projections.Meta) error { s.Guest = e.Guest; return nil }),
		projections.Update(func(e seatMoved) string { return e.Seat },
			func(s *chair, e seatMoved, _ projections.Meta) error { s.Guest = e.Guest; s.Moves++; return nil }),
		projections.Delete[chair](func(e seatLeft) string { return e.Seat }),
	}, Joins: []projections.Join[chair]{projections.Copy[chair](&guests, "guest", "name")}}
	set, err := projections.NewSet(&seats, &guests)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A row that lives again begins from zero, whatever the batches; rows that join it follow, and
// a rebuild and a verification come to the same.
func TestARowLivesAgainFromZero(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 2, 3, 100} {
		f := newFixture(t)
		set := chairSet(t, true)
		f.append(streamed{"guest-ada", guestNamed{"ada", "Ada"}}, streamed{"guest-bob", guestNamed{"bob", "Bob"}})
		f.append(streamed{"seat-1", seatTaken{"1", "ada"}}, streamed{"seat-1", seatMoved{"1", "bob"}})
		f.append(streamed{"seat-1", seatLeft{"1"}}, streamed{"seat-1", seatMoved{"1", "ada"}}) // of the life that has ended
		f.append(streamed{"guest-ada", guestParted{"ada"}}, streamed{"guest-ada", guestNamed{"ada", "Ada again"}})
		end := f.append(streamed{"seat-1", seatTaken{"1", "ada"}}, streamed{"seat-1", seatMoved{"1", "ada"}})
		f.catchUp(set, batch, end)
		const row = `select guest || ' ' || moves || ' ' || name from views.seat_v1_g%d where id = '1' and _state = 2`
		var got string
		if err := f.db.Pool.QueryRow(t.Context(), fmt.Sprintf(row, 1)).Scan(&got); err != nil || got != "ada 1 Ada again" {
			t.Errorf("in batches of %d the row is %q (%v), want %q", batch, got, err, "ada 1 Ada again")
		}
		f.mustVerify(set)
	}
}

// Without Revive a deleted row stays so, and the two are different projectors.
func TestARowDoesNotLiveAgainUnlessItsViewSaysSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.append(streamed{"seat-1", seatTaken{"1", "ada"}}, streamed{"seat-1", seatLeft{"1"}})
	end := f.append(streamed{"seat-1", seatTaken{"1", "bob"}})
	final, revive := chairSet(t, false), chairSet(t, true)
	f.catchUp(final, 10, end)
	if n := f.int(`select count(*) from views.seat_v1_g1 where _state = 2`); n != 0 {
		t.Errorf("%d seats are taken, want none", n)
	}
	f.catchUp(revive, 10, end)
	if n := f.int(`select count(*) from views.seat_v1_g2 where _state = 2 and guest = 'bob'`); n != 1 {
		t.Errorf("%d seats are taken by bob, want 1", n)
	}
}

// Rows that end and begin at random are what plain Go gives, in batches of every size, and a
// rebuild changes nothing.
func TestRowsThatLiveAgainAtRandom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 5))
	f := newFixture(t)
	set := chairSet(t, true)
	want := map[string]string{}
	moves := map[string]int{}
	end := f.append(streamed{"guest-g0", guestNamed{"g0", "Guest"}})
	for range 400 {
		id := fmt.Sprint(r.IntN(12))
		guest := fmt.Sprintf("g%d", r.IntN(3))
		stream := "seat-" + id
		switch _, taken := want[id]; r.IntN(4) {
		case 0:
			end = f.append(streamed{stream, seatTaken{id, guest}})
			want[id] = guest // of a taken seat it changes the guest
		case 1, 2:
			end = f.append(streamed{stream, seatMoved{id, guest}})
			if taken {
				want[id] = guest
				moves[id]++
			} else if _, lived := moves[id]; !lived { // before its first life the row keeps it
				moves["unborn "+id]++
			}
		case 3:
			end = f.append(streamed{stream, seatLeft{id}})
			delete(want, id)
			moves[id] = 0
			delete(moves, "unborn "+id)
		}
		if r.IntN(20) == 0 {
			f.catchUp(set, 1+r.IntN(40), end)
		}
	}
	f.catchUp(set, 7, end)
	rows, err := f.db.Pool.Query(t.Context(), `select id, guest, moves from views.seat_v1_g1 where _state = 2`)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for rows.Next() {
		var id, guest string
		var moved int
		if err := rows.Scan(&id, &guest, &moved); err != nil {
			t.Fatal(err)
		}
		seen++
		if want[id] != guest || moves[id]+moves["unborn "+id] != moved {
			t.Errorf("seat %s has %s and %d moves, want %s and %d", id, guest, moved, want[id], moves[id]+moves["unborn "+id])
		}
	}
	if err := rows.Err(); err != nil || seen != len(want) {
		t.Errorf("%d seats are taken, want %d: %v", seen, len(want), err)
	}
	f.mustVerify(set)
	if out, err := f.projector(set, 10, nil).Rebuild(t.Context(), "seat", rebuild.Options{MaxRate: -1}); err != nil || out.Repaired.Count != 0 {
		t.Errorf("a rebuild repaired %d rows: %v", out.Repaired.Count, err)
	}
}
