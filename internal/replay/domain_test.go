package replay_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/internal/inmemory"
	"github.com/readside/readside/projections"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// The tests' domain: ships call at ports, and cargo travels on ships. It has a copy, a
// join by a function, a chain of joins, an update of many rows, deletes, updates before
// creates, and a json column that is changed in place.

type (
	portOpened struct{ ID, Name string }
	portClosed struct{ ID string }
	shipBuilt  struct {
		ID, Name, Home string
		Ports          []string
	}
	shipRenamed struct{ ID, Name string }
	shipSunk    struct{ ID string }
	shipsCalled struct {
		IDs  []string
		Port string
	}
	cargoLoaded struct{ ID, Ship, Note string }
	cargoNoted  struct{ ID, Note string }
)

func (portOpened) EventType() (string, int)  { return "test.PortOpened", 1 }
func (portClosed) EventType() (string, int)  { return "test.PortClosed", 1 }
func (shipBuilt) EventType() (string, int)   { return "test.ShipBuilt", 1 }
func (shipRenamed) EventType() (string, int) { return "test.ShipRenamed", 1 }
func (shipSunk) EventType() (string, int)    { return "test.ShipSunk", 1 }
func (shipsCalled) EventType() (string, int) { return "test.ShipsCalled", 1 }
func (cargoLoaded) EventType() (string, int) { return "test.CargoLoaded", 1 }
func (cargoNoted) EventType() (string, int)  { return "test.CargoNoted", 1 }

type port struct {
	ID    string `view:"id,key"`
	Name  string `view:"name"`
	Ships int    `view:"ships"`
}

type ship struct {
	ID        string         `view:"id,key"`
	Name      string         `view:"name,index"`
	Home      string         `view:"home"`
	HomeName  string         `view:"home_name,join"`
	Ports     []string       `view:"ports"`
	PortNames []string       `view:"port_names,join"`
	Calls     map[string]int `view:"calls"`
	Last      *string        `view:"last"`
}

type cargo struct {
	ID       string   `view:"id,key"`
	Ship     string   `view:"ship"`
	ShipHome string   `view:"ship_home,join"`
	Notes    []string `view:"notes"`
	Length   int      `view:"length"`
}

var errBroken = errors.New("a note that cannot be")

// badJoin is a ship's name for which its join panics.
const badJoin = "bad join"

// badNote is a note that the handler refuses, after it has changed the row; badKey is
// a ship for which a key function panics; longName cannot be stored in an index.
const (
	badNote = "bad note"
	badKey  = "bad key"
)

var longName = strings.Repeat("x", 3000)

type fleet struct {
	ports  projections.View[port]
	ships  projections.View[ship]
	cargos projections.View[cargo]
}

func newFleet() *fleet {
	f := &fleet{ports: ports()}
	f.ships = ships(f)
	f.cargos = cargos(f)
	return f
}

func (f *fleet) definitions() []projections.Definition {
	return []projections.Definition{&f.cargos, &f.ships, &f.ports}
}

func newSet(t testing.TB) *projections.Set {
	t.Helper()
	set, err := projections.NewSet(newFleet().definitions()...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func ports() projections.View[port] {
	return projections.View[port]{Name: "port", Version: 1, Handlers: []projections.Handler[port]{
		projections.Create(func(e portOpened) string { return e.ID },
			func(p *port, e portOpened, _ projections.Meta) error { p.Name = e.Name; return nil }),
		projections.Delete[port](func(e portClosed) string { return e.ID }),
		projections.Update(func(e shipBuilt) string { return e.Home },
			func(p *port, _ shipBuilt, _ projections.Meta) error { p.Ships++; return nil }),
	}}
}

func ships(f *fleet) projections.View[ship] {
	return projections.View[ship]{Name: "ship", Version: 1,
		Handlers: []projections.Handler[ship]{
			projections.Create(func(e shipBuilt) string { return e.ID },
				func(s *ship, e shipBuilt, _ projections.Meta) error {
					s.Name, s.Home, s.Ports = e.Name, e.Home, e.Ports
					return nil
				}),
			projections.Update(func(e shipRenamed) string { return e.ID },
				func(s *ship, e shipRenamed, _ projections.Meta) error { s.Name = e.Name; return nil }),
			projections.Delete[ship](func(e shipSunk) string { return e.ID }),
			projections.UpdateEach(func(e shipsCalled, _ projections.Meta) []string { return e.IDs },
				func(s *ship, _ string, e shipsCalled, m projections.Meta) error {
					if s.Calls == nil {
						s.Calls = map[string]int{}
					}
					s.Calls[e.Port]++
					s.Last = &m.Stream
					return nil
				}),
		},
		Joins: []projections.Join[ship]{
			projections.Copy[ship](&f.ports, "home", "home_name=name"),
			projections.JoinOn(&f.ports, func(s *ship) []string { return s.Ports }, func(s *ship, get func(string) *port) {
				if s.Name == badJoin {
					panic(badJoin)
				}
				for _, id := range s.Ports {
					if p := get(id); p != nil {
						s.PortNames = append(s.PortNames, p.Name)
					}
				}
			}, "name"),
		},
	}
}

func cargos(f *fleet) projections.View[cargo] {
	note := func(c *cargo, text string) error {
		c.Notes = append(c.Notes, text)
		c.Length += len(text)
		if text == badNote {
			return errBroken
		}
		return nil
	}
	return projections.View[cargo]{Name: "cargo", Version: 1,
		Handlers: []projections.Handler[cargo]{
			projections.Create(func(e cargoLoaded) string {
				if e.Ship == badKey {
					panic(badKey)
				}
				return e.ID
			}, func(c *cargo, e cargoLoaded, _ projections.Meta) error {
				c.Ship = e.Ship
				return note(c, e.Note)
			}),
			projections.Update(func(e cargoNoted) string { return e.ID },
				func(c *cargo, e cargoNoted, _ projections.Meta) error { return note(c, e.Note) }),
		},
		Joins: []projections.Join[cargo]{projections.Copy[cargo](&f.ships, "ship", "ship_home=home_name")},
	}
}

type streamed struct {
	stream string
	event  eventlog.Typed
}

// story is n events in any order, about so many ships.
func story(r *rand.Rand, n, ships int) []streamed {
	id := func(prefix string, most int) string { return prefix + strconv.Itoa(r.IntN(most)) }
	list := func(prefix string, most int) (out []string) {
		for range r.IntN(4) {
			out = append(out, id(prefix, most))
		}
		return out
	}
	events := make([]streamed, n)
	for i := range events {
		name := fmt.Sprint("name ", r.IntN(1000), strings.Repeat(".", r.IntN(200)))
		p, s, c := id("p", ships/4+1), id("s", ships), id("c", 3*ships)
		switch k := r.IntN(100); {
		case k < 8:
			events[i] = streamed{p, portOpened{p, name}}
		case k < 9:
			events[i] = streamed{p, portClosed{p}}
		case k < 28:
			events[i] = streamed{s, shipBuilt{s, name, p, list("p", ships/4+1)}}
		case k < 36:
			events[i] = streamed{s, shipRenamed{s, name}}
		case k < 38:
			events[i] = streamed{s, shipSunk{s}}
		case k < 52:
			events[i] = streamed{"calls", shipsCalled{append(list("s", ships), s), p}}
		case k < 78:
			events[i] = streamed{c, cargoLoaded{c, s, name}}
		default:
			events[i] = streamed{c, cargoNoted{c, name}}
		}
	}
	return events
}

// fixture is a log with a story.
type fixture struct {
	t        *testing.T
	db       *dbtest.DB
	log      *eventlog.Log
	versions map[string]int64
	end      eventlog.Position
	all      []eventlog.Event
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db := dbtest.Postgres(t)
	log, err := eventlog.Open(t.Context(), db.Role(t, "readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, db: db, log: log, versions: map[string]int64{}}
}

func (f *fixture) append(events ...streamed) {
	f.t.Helper()
	for len(events) > 0 {
		n := min(len(events), 2000)
		f.appendSome(events[:n])
		events = events[n:]
	}
}

func (f *fixture) appendSome(events []streamed) {
	f.t.Helper()
	ctx := f.t.Context()
	tx, err := f.db.Pool.Begin(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	appends := make([]eventlog.Append, len(events))
	for i, e := range events {
		ev, err := eventlog.NewEvent(e.event, eventlog.Meta{})
		if err != nil {
			f.t.Fatal(err)
		}
		appends[i] = eventlog.Append{Stream: e.stream, Expected: f.versions[e.stream], Events: []eventlog.Event{ev}}
		f.versions[e.stream]++
	}
	if f.end, err = f.log.Append(ctx, tx, appends...); err == nil {
		err = tx.Commit(ctx)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// events are all events of the log.
func (f *fixture) events() []eventlog.Event {
	f.t.Helper()
	f.all = nil
	err := f.log.Follow(f.t.Context(), f.log.Start(), eventlog.Query{Until: f.end}, func(_ context.Context, p eventlog.Page) error {
		f.all = append(f.all, p.Events...)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return f.all
}

// table is a view's rows by key: their images as text.
type table map[string]string

// memory is what inmemory.Rows makes of the events that keep lets through.
func (f *fixture) memory(set *projections.Set, keep func(*eventlog.Event) bool) map[string]table {
	f.t.Helper()
	m := inmemory.New(set)
	for i := range f.all {
		if keep != nil && !keep(&f.all[i]) {
			continue
		}
		e, ok, err := set.Decode(&f.all[i])
		if err == nil && ok {
			err = m.Apply([]projections.Event{e})
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	joined, err := m.Joined()
	if err != nil {
		f.t.Fatal(err)
	}
	return f.encode(set, joined)
}

// encode are the rows of all views, those that were never touched left out.
func (f *fixture) encode(set *projections.Set, joined [][]*projections.Row) map[string]table {
	f.t.Helper()
	out := map[string]table{}
	for i, view := range set.Views() {
		l := mustLayout(f.t, view)
		out[view.Name] = table{}
		for _, row := range joined[i] {
			if row.State == projections.Absent {
				continue
			}
			img, err := l.Encode(row)
			if err != nil {
				f.t.Fatal(err)
			}
			out[view.Name][row.Key] = string(img.Bytes())
		}
	}
	return out
}

func mustLayout(t testing.TB, m *projections.Model) *hot.Layout {
	t.Helper()
	l, err := hot.NewLayout(m)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
