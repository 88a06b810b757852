package fold_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

// The simulator's domain: people place orders. An order copies its buyer's name; in the
// deep set it is also greeted by a function, and badges, several by one event, copy the name
// from the order. People may be named again after they are gone, and orders stay dropped. A
// handler fails for the row that its event names as Bad.

type (
	simNamed   struct{ ID, Name, Bad string }
	simRenamed struct{ ID, Name, Bad string }
	simGone    struct{ ID string }
	simPlaced  struct{ ID, Buyer, Bad string }
	simAdded   struct {
		IDs []string
		N   int64
		Bad string
	}
	simDropped struct{ ID string }
	simPrinted struct {
		IDs        []string
		Order, Bad string
	}
)

func (simNamed) EventType() (string, int)   { return "sim.Named", 1 }
func (simRenamed) EventType() (string, int) { return "sim.Renamed", 1 }
func (simGone) EventType() (string, int)    { return "sim.Gone", 1 }
func (simPlaced) EventType() (string, int)  { return "sim.Placed", 1 }
func (simAdded) EventType() (string, int)   { return "sim.Added", 1 }
func (simDropped) EventType() (string, int) { return "sim.Dropped", 1 }
func (simPrinted) EventType() (string, int) { return "sim.Printed", 1 }

type simPerson struct {
	ID     string `view:"id,key"`
	Name   string `view:"name"`
	Orders int64  `view:"orders"`
}

type simOrder struct {
	ID        string `view:"id,key"`
	Buyer     string `view:"buyer,index"`
	BuyerName string `view:"buyer_name,join"`
	Sum       int64  `view:"sum"`
}

type simDeepOrder struct {
	ID        string `view:"id,key"`
	Buyer     string `view:"buyer,index"`
	BuyerName string `view:"buyer_name,join"`
	Greeting  string `view:"greeting,join"`
	Sum       int64  `view:"sum"`
}

type simBadge struct {
	ID    string `view:"id,key"`
	Order string `view:"orders_id,index"`
	Name  string `view:"buyer_name,join"`
	Times int64  `view:"times"`
}

var errSimBad = errors.New("this event cannot be folded")

// simSet is a set of views, and whether its handlers are repaired.
type simSet struct {
	name    string
	set     *projections.Set
	layouts []*hot.Layout
	mended  bool
	// parsed are statements, by their text.
	parsed map[string]*simStatement
}

func (s *simSet) bad(bad, key string) error {
	if bad == key && !s.mended {
		return errSimBad
	}
	return nil
}

func (s *simSet) people() *projections.View[simPerson] {
	return &projections.View[simPerson]{Name: "person", Version: 1, Revive: true, Handlers: []projections.Handler[simPerson]{
		projections.Create(func(e simNamed) string { return e.ID }, func(p *simPerson, e simNamed, _ projections.Meta) error {
			p.Name = e.Name
			return s.bad(e.Bad, e.ID)
		}),
		projections.Update(func(e simRenamed) string { return e.ID }, func(p *simPerson, e simRenamed, _ projections.Meta) error {
			p.Name = e.Name
			return s.bad(e.Bad, e.ID)
		}),
		projections.Update(func(e simPlaced) string { return e.Buyer }, func(p *simPerson, e simPlaced, _ projections.Meta) error {
			p.Orders++
			return s.bad(e.Bad, e.Buyer)
		}),
		projections.Delete[simPerson](func(e simGone) string { return e.ID }),
	}}
}

func simFlat() (*simSet, error) {
	s := &simSet{name: "flat"}
	people := s.people()
	return s.compile(people, &projections.View[simOrder]{Name: "order", Version: 1,
		Handlers: []projections.Handler[simOrder]{
			projections.Create(func(e simPlaced) string { return e.ID }, func(o *simOrder, e simPlaced, _ projections.Meta) error {
				o.Buyer = e.Buyer
				return s.bad(e.Bad, e.ID)
			}),
			projections.UpdateEach(func(e simAdded, _ projections.Meta) []string { return e.IDs }, func(o *simOrder, key string, e simAdded, _ projections.Meta) error {
				o.Sum += e.N
				return s.bad(e.Bad, key)
			}),
			projections.Delete[simOrder](func(e simDropped) string { return e.ID }),
		},
		Joins: []projections.Join[simOrder]{projections.Copy[simOrder](people, "buyer", "buyer_name=name")},
	})
}

func simDeep() (*simSet, error) {
	s := &simSet{name: "deep"}
	people := s.people()
	orders := &projections.View[simDeepOrder]{Name: "order", Version: 1,
		Handlers: []projections.Handler[simDeepOrder]{
			projections.Create(func(e simPlaced) string { return e.ID }, func(o *simDeepOrder, e simPlaced, _ projections.Meta) error {
				o.Buyer = e.Buyer
				return s.bad(e.Bad, e.ID)
			}),
			projections.UpdateEach(func(e simAdded, _ projections.Meta) []string { return e.IDs }, func(o *simDeepOrder, key string, e simAdded, _ projections.Meta) error {
				o.Sum += e.N
				return s.bad(e.Bad, key)
			}),
			projections.Delete[simDeepOrder](func(e simDropped) string { return e.ID }),
		},
		Joins: []projections.Join[simDeepOrder]{
			projections.Copy[simDeepOrder](people, "buyer", "buyer_name=name"),
			projections.JoinOn(people, func(o *simDeepOrder) []string { return []string{o.Buyer} }, func(o *simDeepOrder, get func(string) *simPerson) {
				if p := get(o.Buyer); p != nil {
					o.Greeting = "hello " + p.Name
				}
			}, "name"),
		},
	}
	return s.compile(people, orders, &projections.View[simBadge]{Name: "badge", Version: 1,
		Handlers: []projections.Handler[simBadge]{
			projections.CreateEach(func(e simPrinted, _ projections.Meta) []string { return e.IDs }, func(b *simBadge, key string, e simPrinted, _ projections.Meta) error {
				b.Order = e.Order
				b.Times++
				return s.bad(e.Bad, key)
			}),
		},
		Joins: []projections.Join[simBadge]{projections.Copy[simBadge](orders, "orders_id", "buyer_name=buyer_name")},
	})
}

func (s *simSet) compile(definitions ...projections.Definition) (_ *simSet, err error) {
	if s.set, err = projections.NewSet(definitions...); err != nil {
		return nil, err
	}
	s.parsed = map[string]*simStatement{}
	s.layouts, err = hot.Layouts(s.set)
	return s, err
}

// simEvent is an event as the oracle sees it; broken ones cannot be decoded.
type simEvent struct {
	stream string
	value  eventlog.Typed
	broken bool
}

func (e simEvent) String() string {
	if e.broken {
		return fmt.Sprintf("undecodable %T in %s", e.value, e.stream)
	}
	return fmt.Sprintf("%T%+v in %s", e.value, e.value, e.stream)
}

var simStart = eventlog.NewPosition(uuid.MustParse("5e5e0000-0000-4000-8000-000000000001"), 1, 0)

// stored is the event as the log has it.
func (e simEvent) stored(place int64) eventlog.Event {
	data, err := json.Marshal(e.value)
	if err != nil {
		panic(err)
	}
	if e.broken {
		data = []byte(`{"ID": {}, "IDs": {}}`)
	}
	name, version := e.value.EventType()
	return eventlog.Event{
		Position: simStart.At(place), Type: name, SchemaVersion: version, Stream: e.stream, StreamVersion: place,
		Time: time.Unix(place, 0).UTC(), Data: data,
	}
}

// simStory draws n events about a few rows, in any order.
func simStory(r *rand.Rand, n int, faulty bool) []simEvent {
	people, orders := 1+r.IntN(2), 1+r.IntN(3)
	person := func() string { return fmt.Sprint("p", r.IntN(people)) }
	order := func() string { return fmt.Sprint("o", r.IntN(orders)) }
	out := make([]simEvent, n)
	for i := range out {
		p, o := person(), order()
		bad := func(keys ...string) string {
			if faulty && r.IntN(8) == 0 {
				return keys[r.IntN(len(keys))]
			}
			return ""
		}
		name := fmt.Sprint("name", i)
		switch k := r.IntN(20); {
		case k < 3:
			out[i] = simEvent{stream: p, value: simNamed{p, name, bad(p)}}
		case k < 6:
			out[i] = simEvent{stream: p, value: simRenamed{p, name, bad(p)}}
		case k < 7:
			out[i] = simEvent{stream: p, value: simGone{p}}
		case k < 11:
			out[i] = simEvent{stream: o, value: simPlaced{o, p, bad(o, p)}}
		case k < 17:
			ids := []string{o}
			if other := order(); other != o && r.IntN(2) == 0 {
				ids = append(ids, other)
			}
			out[i] = simEvent{stream: "sums", value: simAdded{ids, 1 << i, bad(ids...)}}
		case k < 18:
			out[i] = simEvent{stream: o, value: simDropped{o}}
		default:
			badges := [][]string{{"b0"}, {"b0", "b1"}, {"b1", "b0"}}[r.IntN(3)]
			out[i] = simEvent{stream: badges[0], value: simPrinted{badges, o, bad(badges...)}}
		}
		out[i].broken = faulty && r.IntN(25) == 0
	}
	return out
}
