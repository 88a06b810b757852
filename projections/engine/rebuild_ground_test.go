package engine_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
)

// during orders a rebuild, and does something each time that it comes to a phase.
func (f *fixture) during(p *desk, view, phase string, do func(time int)) (rebuild.Result, error) {
	f.t.Helper()
	times := 0
	return p.Rebuild(f.t.Context(), view, rebuild.Options{Progress: func(p rebuild.Progress) {
		if p.Phase == phase {
			times++
			do(times)
		}
	}})
}

// liveTotal is a card's total as readers see it.
func (f *fixture) liveTotal(id string) int {
	f.t.Helper()
	var table string
	if err := f.db.Pool.QueryRow(f.t.Context(), `select table_name from readside.views where view = 'card' and state = 'live'`).Scan(&table); err != nil {
		f.t.Fatal(err)
	}
	return f.int(`select total from views.`+table+` where id = $1`, id)
}

// What is discarded while a view is rebuilt, or between two attempts at it, is in no row
// of the new generation, whether its code could fold it or not.
func TestDiscardWhileAViewIsRebuilt(t *testing.T) {
	t.Parallel()
	for _, broken := range []bool{true, false} {
		for _, when := range []string{rebuild.PhaseComparing, rebuild.PhaseSwitching, "between"} {
			t.Run(fmt.Sprint(when, " ", broken), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				set, p := cardSet(t, true), f.projector(cardSet(t, broken), 100, nil)
				f.append(streamed{"c1", cardOpened{"c1", ""}}, streamed{"c1", cardAdded{"c1", "handler", 7}}, streamed{"c1", cardAdded{"c1", "", 1}})
				f.catchUp(set, 100, f.manyOpened(100)) // so many that the rebuild folds before it compares
				discard := func(time int) {
					if time == 1 {
						f.discardFirst("c1")
					}
				}
				if when == "between" {
					f.interrupt(p, "card")
					discard(1)
				}
				if _, err := f.during(p, "card", when, discard); err != nil {
					t.Fatal(err)
				}
				f.mustVerify(cardSet(t, false))
				if got := f.liveTotal("c1"); got != 1 {
					t.Errorf("the total is %d, with the event that was given up", got)
				}
				if got := f.int(`select count(*) from readside.parked where state = 'discarded'`); got != 1 {
					t.Errorf("%d events are recorded as given up, not one", got)
				}
			})
		}
	}
}

func (f *fixture) manyOpened(n int) eventlog.Position {
	f.t.Helper()
	var events []streamed
	for i := range n {
		id := fmt.Sprint("many", i)
		events = append(events, streamed{id, cardOpened{id, ""}})
	}
	return f.append(events...)
}

// discardFirst discards the first event that waits in a card, while other projectors
// may have entries too.
func (f *fixture) discardFirst(key string) {
	f.t.Helper()
	if _, err := f.projector(cardSet(f.t, true), 100, nil).Discard(f.t.Context(), parked.Waiting{View: "card", Key: key}); err != nil {
		f.t.Fatal(err)
	}
}

// A rebuild does not begin from scratch for ever: its error is why it ended, and the next one works.
func TestRebuildGivesUpWhileEventsAreDiscardedAllTheTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := cardSet(t, true)
	var last eventlog.Position
	for i := range 6 {
		id := fmt.Sprint("c", i)
		last = f.append(streamed{id, cardOpened{id, ""}}, streamed{id, cardAdded{id, "handler", 7}})
	}
	f.catchUp(set, 100, last)
	p := f.projector(set, 100, nil)
	tries := 0
	_, err := f.during(p, "card", rebuild.PhaseSwitching, func(time int) { tries = time; f.discardFirst(fmt.Sprint("c", time)) })
	if err == nil || tries != 3 || !strings.Contains(err.Error(), "discarded meanwhile") {
		t.Errorf("after %d tries: %v", tries, err)
	}
	if got, err := p.Rebuild(t.Context(), "card", rebuild.Options{}); err != nil || got.Generation < 2 {
		t.Errorf("the next rebuild: %+v, %v", got, err)
	}
	f.mustVerify(set)
}

// namedRoom and ticket are a source that may break, and a view that joins it.
type (
	namedRoom struct {
		ID   string `view:"id,key"`
		Name string `view:"name"`
	}
	ticket struct {
		ID   string `view:"id,key"`
		Room string `view:"room"`
		Name string `view:"name,join"`
	}
)

func ticketSet(t *testing.T, broken bool) *projections.Set {
	t.Helper()
	rooms := projections.View[namedRoom]{Name: "named", Version: 1, Handlers: []projections.Handler[namedRoom]{
		projections.Create(func(e roomOpened) string { return e.ID }, func(r *namedRoom, e roomOpened, _ projections.Meta) error { r.Name = e.Name; return nil }),
		projections.Update(func(e roomRenamed) string { return e.ID }, func(r *namedRoom, e roomRenamed, _ projections.Meta) error {
			if broken && e.Name == "bad" {
				return errBroken
			}
			r.Name = e.Name
			return nil
		}),
	}}
	tickets := projections.View[ticket]{Name: "ticket", Version: 1, Handlers: []projections.Handler[ticket]{
		projections.Create(func(e badgePrinted) string { return e.ID }, func(r *ticket, e badgePrinted, _ projections.Meta) error { r.Room = e.Talk; return nil }),
	}, Joins: []projections.Join[ticket]{projections.Copy[ticket](&rooms, "room", "name")}}
	set, err := projections.NewSet(&rooms, &tickets)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A view is not rebuilt while events of one that it joins wait: the new rows would show
// what the joined view has not folded. Once they are repaired, it is.
func TestRebuildIsRefusedWhileAJoinedViewsEventsWait(t *testing.T) {
	t.Parallel()
	for _, broken := range []bool{true, false} {
		for _, when := range []string{"start", rebuild.PhaseComparing, rebuild.PhaseSwitching} {
			for _, discard := range []bool{true, false} {
				if discard && !broken {
					continue // as with the code that breaks it
				}
				t.Run(fmt.Sprint(when, broken, discard), func(t *testing.T) {
					t.Parallel()
					f := newFixture(t)
					set, mended := ticketSet(t, true), ticketSet(t, false)
					f.catchUp(set, 100, f.append(streamed{"r1", roomOpened{"r1", "one"}}, streamed{"b1", badgePrinted{"b1", "r1"}}))
					breaks := func(int) { f.catchUp(set, 100, f.append(streamed{"r1", roomRenamed{"r1", "bad"}})) }
					if when == "start" {
						breaks(1)
					}
					_, err := f.during(f.projector(ticketSet(t, broken), 100, nil), "ticket", when, breaks)
					if err == nil || !strings.Contains(err.Error(), "view named, which it joins, has 1 event that waits: retry or discard") {
						t.Fatalf("the rebuild: %v", err)
					}
					f.mustVerify(set)
					mend := f.projector(mended, 100, nil).Retry
					if discard {
						mend = f.projector(mended, 100, nil).Discard
					}
					if _, err := mend(t.Context(), parked.Waiting{View: "named", Key: "r1"}); err != nil {
						t.Fatal(err)
					}
					if _, err := f.projector(mended, 100, nil).Rebuild(t.Context(), "ticket", rebuild.Options{}); err != nil {
						t.Fatal(err)
					}
					f.mustVerify(mended)
				})
			}
		}
	}
}

// suffixed is rooms whose names show which code folded them.
func suffixed(t *testing.T, suffix string) *projections.Set {
	t.Helper()
	rooms := projections.View[namedRoom]{Name: "named", Version: 1, Handlers: []projections.Handler[namedRoom]{
		projections.Create(func(e roomOpened) string { return e.ID }, func(r *namedRoom, e roomOpened, _ projections.Meta) error {
			r.Name = e.Name + suffix
			return nil
		}),
	}}
	set, err := projections.NewSet(&rooms)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A rebuild continues under the program that began it, and begins from scratch under another:
// its code may fold other rows.
func TestRebuildOfAnotherProgramBeginsAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var events []streamed
	for i := range 300 {
		id := fmt.Sprint("r", i)
		events = append(events, streamed{id, roomOpened{id, "one"}})
	}
	program := func(name string) *desk {
		p, err := newDesk(engine.Config{Application: dbtest.Application, Log: f.log, Postgres: f.config, Set: suffixed(t, name), Program: name, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	f.catchUp(suffixed(t, "wrong"), 100, f.append(events...))
	for _, c := range []struct {
		program  string
		repaired int
		goesOn   bool
	}{{"wrong", 0, true}, {"mended", 300, false}} {
		f.interrupt(program("wrong"), "named")
		begun := f.int(`select table_name::regclass::oid::int from (select 'views.' || table_name as table_name from readside.views where state = 'building') v`)
		got, err := program(c.program).Rebuild(t.Context(), "named", rebuild.Options{})
		if err != nil || got.Repaired.Count != c.repaired {
			t.Errorf("the program %s goes on: %+v, %v", c.program, got, err)
		}
		if goesOn := f.int(`select ('views.' || $1::text)::regclass::oid::int`, got.Table) == begun; goesOn != c.goesOn {
			t.Errorf("the program %s goes on with what another began: %t", c.program, goesOn)
		}
		f.mustVerify(suffixed(t, c.program))
	}
}
