package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/operate/parked"
)

type gauge struct {
	ID    string `view:"id,key"`
	Note  string `view:"note"`
	Total int    `view:"total"`
	Name  string `view:"name,join"`
}

// ills are notes with which a gauge cannot be written, by why.
var ills = map[string]string{"unstorable": "unstorable", "join": "join", "keys": "join"}

// gaugeSet is gauges that can or cannot be written after their last note. It counts
// the calls of their handler.
func gaugeSet(t *testing.T, broken bool, calls *atomic.Int64) *projections.Set {
	t.Helper()
	rooms := rooms()
	gauges := projections.View[gauge]{Name: "gauge", Version: 1, Handlers: []projections.Handler[gauge]{
		projections.Create(func(e cardOpened) string { return e.ID }, func(*gauge, cardOpened, projections.Meta) error { return nil }),
		projections.Update(func(e cardAdded) string { return e.ID }, func(g *gauge, e cardAdded, _ projections.Meta) error {
			calls.Add(1)
			g.Total += e.N
			if e.Note != "" {
				g.Note = e.Note
			}
			if broken && e.Note == "unstorable" {
				g.Note = "\x00"
			}
			return nil
		}),
	}, Joins: []projections.Join[gauge]{projections.JoinOn(&rooms, func(g *gauge) []string {
		if broken && g.Note == "keys" {
			panic("keys")
		}
		return []string{g.Note}
	}, func(g *gauge, get func(string) *room) {
		if r := get(g.Note); r != nil {
			g.Name = r.Name
		}
		if broken && g.Note == "join" {
			panic("join")
		}
	}, "name")}}
	set, err := projections.NewSet(&rooms, &gauges)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Whatever makes a row one that cannot be written, and heals it again: in one batch or
// in a retry, what is parked is the first event after which it could not be written up
// to the end.
func TestEventThatMakesARowUnwritableIsFound(t *testing.T) {
	t.Parallel()
	notes := []string{"", "", "", "fine", "r1", "unstorable", "join", "keys"}
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := rand.New(rand.NewPCG(seed, 5))
			var calls atomic.Int64
			broken := gaugeSet(t, true, &calls)
			events := []streamed{{"r1", roomOpened{"r1", "one"}}}
			const gauges = 8
			for i := range gauges {
				id := fmt.Sprint("g", i)
				events = append(events, streamed{id, cardOpened{id, ""}}, streamed{id, cardAdded{id, "", 1}})
			}
			f.catchUp(broken, 100, f.append(events...))
			run, whys := map[string][]int64{}, map[string]string{}
			if seed%2 == 1 { // all of it waits then, and is folded by a retry
				events = events[:0]
				for i := range gauges {
					id := fmt.Sprint("g", i)
					events = append(events, streamed{id, cardAdded{id, "keys", 1}})
					run[id], whys[id] = []int64{int64(1 + 2*gauges + 1 + i)}, "join"
				}
				f.catchUp(broken, 1000, f.append(events...))
			}
			events = events[:0]
			head, err := f.log.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for i := range 120 {
				id, note := fmt.Sprint("g", r.IntN(gauges)), notes[r.IntN(len(notes))]
				events = append(events, streamed{id, cardAdded{id, note, 1}})
				place := head.Place() + int64(i) + 1
				switch {
				case ills[note] != "" && len(run[id]) == 0:
					run[id], whys[id] = []int64{place}, ills[note]
				case note == "fine" || note == "r1":
					run[id] = nil
				case len(run[id]) > 0:
					run[id] = append(run[id], place)
				}
			}
			f.catchUp(broken, 1000, f.append(events...))
			if seed%2 == 1 {
				if _, err := f.projector(broken, 1000, nil).Retry(t.Context(), parked.Waiting{View: "gauge"}); err != nil {
					t.Fatal(err)
				}
			}
			f.mustVerify(broken)
			for id, places := range run {
				got := f.places(id)
				if !slices.Equal(got, places) {
					t.Errorf("of gauge %s the events %v wait, not %v", id, got, places)
				}
				if len(places) > 0 && f.int(`select count(*) from readside.parked where key = $1 and place = $2 and state = 'parked' and reason = $3`, id, int(places[0]), whys[id]) != 1 {
					t.Errorf("of gauge %s the first is not parked for the reason %q", id, whys[id])
				}
			}
			if _, err := f.projector(gaugeSet(t, false, &calls), 100, nil).Retry(t.Context(), parked.Waiting{View: "gauge"}); err != nil {
				t.Fatal(err)
			}
			f.mustVerify(gaugeSet(t, false, &calls))
		})
	}
}

func (f *fixture) places(key string) (places []int64) {
	f.t.Helper()
	rows, err := f.db.Pool.Query(f.t.Context(), `select place from readside.parked where key = $1 order by place`, key)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var place int64
		if err := rows.Scan(&place); err != nil {
			f.t.Fatal(err)
		}
		places = append(places, place)
	}
	return places
}

// However many events of one row come behind the one that makes it unwritable, the
// batch is folded a few times, not once for each.
func TestUnwritableRowIsFoldedAFewTimes(t *testing.T) {
	t.Parallel()
	for note := range ills {
		t.Run(note, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			var calls atomic.Int64
			const n = 300
			events := []streamed{{"g", cardOpened{"g", ""}}, {"g", cardAdded{"g", "", 1}}, {"g", cardAdded{"g", note, 1}}}
			for range n {
				events = append(events, streamed{"g", cardAdded{"g", "", 1}})
			}
			f.catchUp(gaugeSet(t, true, &calls), 10_000, f.append(events...))
			if got := f.int(`select count(*) from readside.parked`); got != n+1 {
				t.Errorf("%d events wait, not %d", got, n+1)
			}
			if got := f.int(`select total from views.gauge_v1_g1`); got != 1 {
				t.Errorf("the total is %d, not what it was before", got)
			}
			if got := calls.Load(); got > 10*n {
				t.Errorf("the handler was called %d times for %d events", got, n)
			}
		})
	}
}
