package projections

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/internal/jsonshape"
)

// Set is the views and facts that one projector folds in a single pass over the
// log. It is immutable and safe for concurrent use.
type Set struct {
	views     []*Model
	facts     []*FactModel
	routes    map[string]*Route
	upcasters *eventlog.Upcasters
}

// Route is what a set does with one event type.
type Route struct {
	EventType string
	Decode    Decode
	// Views are the handlings of the type, in the order of Set.Views.
	Views []ViewRoute
	// Facts are those of the facts, in the order of Set.Facts.
	Facts []FactRoute

	// sharing is Decode whose texts are parts of the data.
	sharing Decode
}

// Takes reports whether the handlers of the type take the value as it is: an event of an
// older version is a value of another Go type, which Decode lifts.
func (r *Route) Takes(event any) bool {
	t := reflect.TypeOf(event)
	for _, v := range r.Views {
		return v.Handling.Event == t
	}
	for _, f := range r.Facts {
		return f.Handling.Event == t
	}
	return false
}

// ViewRoute is one handling and the index of its view in Set.Views.
type ViewRoute struct {
	View     int
	Handling *Handling
}

// FactRoute is one handling and the index of its fact in Set.Facts.
type FactRoute struct {
	Fact     int
	Handling *FactHandling
}

// Views are the set's views; those that a view joins stand before it.
func (s *Set) Views() []*Model { return s.views }

// Facts are the set's facts, by name.
func (s *Set) Facts() []*FactModel { return s.facts }

// View finds a view by name, or returns nil.
func (s *Set) View(name string) *Model {
	for _, m := range s.views {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Joined reports whether a view of the set joins the view of m's name.
func (s *Set) Joined(m *Model) bool {
	return slices.ContainsFunc(s.views, func(v *Model) bool {
		return slices.ContainsFunc(v.Joins, func(j *JoinModel) bool { return j.Source.Name == m.Name })
	})
}

// Route is what the set does with an event type, nil where it does nothing.
func (s *Set) Route(eventType string) *Route { return s.routes[eventType] }

// Upcasters are those that the set decodes with; nil when there are none.
func (s *Set) Upcasters() *eventlog.Upcasters { return s.upcasters }

// ViewTypes are the event types that views handle, sorted; FactTypes those of facts.
func (s *Set) ViewTypes() []string {
	return s.types(func(r *Route) bool { return len(r.Views) > 0 })
}

// FactTypes are the event types that facts handle, sorted.
func (s *Set) FactTypes() []string {
	return s.types(func(r *Route) bool { return len(r.Facts) > 0 })
}

func (s *Set) types(want func(*Route) bool) []string {
	var names []string
	for name, r := range s.routes {
		if want(r) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Upcasters gives the set the upcasters that lift old versions of its event types.
func Upcasters(u *eventlog.Upcasters) Definition { return upcasting{u} }

type upcasting struct{ u *eventlog.Upcasters }

func (u upcasting) define(c *compiler) {
	if c.upcasters != nil {
		c.fault("a set has one registry of upcasters, here are two")
	}
	c.upcasters = u.u
}

// NewSet compiles views and facts and checks them against each other. Every fault
// is reported, not just the first.
func NewSet(definitions ...Definition) (*Set, error) {
	c := &compiler{byDefinition: map[Definition]*Model{}, names: map[string]bool{}}
	for _, d := range definitions {
		d.define(c)
	}
	c.resolveJoins()
	s := &Set{upcasters: c.upcasters, facts: c.facts, routes: map[string]*Route{}}
	s.views = c.inOrder()
	slices.SortFunc(s.facts, func(a, b *FactModel) int { return cmp.Compare(a.Name, b.Name) })
	c.route(s)
	if err := errors.Join(c.errs...); err != nil {
		return nil, fmt.Errorf("projections: %w", err)
	}
	return s, nil
}

// maxVersion bounds the length of tables' names.
const maxVersion = 9999

// compiler collects definitions and their faults.
type compiler struct {
	views        []*Model
	facts        []*FactModel
	byDefinition map[Definition]*Model
	names        map[string]bool
	upcasters    *eventlog.Upcasters
	strict       bool
	errs         []error
}

func (c *compiler) fault(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

func (c *compiler) named(kind, name string, version int) bool {
	switch {
	case !nameRE.MatchString(name):
		c.fault("%s %q: a name is lower case letters, digits and _, at most 40", kind, name)
		return false
	case version < 1:
		c.fault("%s %s: Version is %d: versions start at 1", kind, name, version)
		return false
	case version > maxVersion:
		// "name_v9999_g999999999_pkey" has at most 63 bytes, which is what Postgres tells apart.
		c.fault("%s %s: Version is %d: at most %d, or the names of its tables would be too long: count versions one by one", kind, name, version, maxVersion)
		return false
	case c.names[name]:
		c.fault("%s %s: the set has two definitions of this name", kind, name)
		return false
	}
	c.names[name] = true
	return true
}

func (c *compiler) view(d Definition, compile func() *Model) {
	m := compile()
	if !c.named("view", m.Name, m.Version) {
		return
	}
	columns, key, err := columnsOf(m.Type)
	if err != nil {
		c.fault("view %s: %w", m.Name, err)
		return
	}
	m.Columns, m.Key = columns, key
	for i := range columns {
		if columns[i].Join {
			m.joined = append(m.joined, i)
		}
	}
	m.bounds()
	if len(m.Handlings) == 0 {
		c.fault("view %s has no handlers", m.Name)
	}
	if !slices.ContainsFunc(m.Handlings, func(h *Handling) bool { return h.Effect == Creates }) {
		c.fault("view %s: no handler creates its rows: without a Create nobody ever sees one", m.Name)
	}
	c.views = append(c.views, m)
	c.byDefinition[d] = m
}

func (c *compiler) resolveJoins() {
	for _, m := range c.views {
		written := map[int]bool{}
		links := 0
		for _, j := range m.Joins {
			j.Source = c.byDefinition[j.source]
			if j.Source == nil {
				c.fault("view %s joins a view that is not in the set: give it to NewSet too", m.Name)
				continue
			}
			if j.ByFunction() {
				j.Link = links
				links++
				if err := j.resolveReads(); err != nil {
					c.fault("view %s, join on %s: %w", m.Name, j.Source.Name, err)
				}
				continue
			}
			if err := j.resolve(m, written); err != nil {
				c.fault("view %s, copy from %s: %w", m.Name, j.Source.Name, err)
			}
		}
		c.joinedColumns(m, written, links > 0)
		c.probe(m, written)
	}
}

// joinedColumns checks that every column marked join has a join that may write it.
func (c *compiler) joinedColumns(m *Model, copied map[int]bool, functions bool) {
	for i, col := range m.Columns {
		if col.Join && !copied[i] && !functions {
			c.fault("view %s: column %s is marked join and no join writes it", m.Name, col.Name)
		}
	}
}

// resolveReads finds the columns that a function reads; the key it always may.
func (j *JoinModel) resolveReads() error {
	for _, name := range j.cols {
		i := j.Source.Column(name)
		if i < 0 {
			return fmt.Errorf("%s has no column %q", j.Source.Name, name)
		}
		j.Reads = append(j.Reads, i)
	}
	if len(j.cols) == 0 {
		for i := range j.Source.Columns {
			j.Reads = append(j.Reads, i)
		}
	}
	return nil
}

func (j *JoinModel) resolve(m *Model, written map[int]bool) error {
	j.On = m.Column(j.on)
	if j.On < 0 || m.Columns[j.On].Join || m.Columns[j.On].Kind != Text || m.Columns[j.On].Nullable {
		return fmt.Errorf("%q is not an own, plain string column", j.on)
	}
	if len(j.cols) == 0 {
		return errors.New("it names no columns: say which, as in \"buyer_name=name\"")
	}
	for _, col := range j.cols {
		to, from := splitPair(col)
		p := Pair{To: m.Column(to), From: j.Source.Column(from)}
		switch {
		case p.To < 0 || !m.Columns[p.To].Join:
			return fmt.Errorf("%q is not a column marked join", to)
		case p.From < 0:
			return fmt.Errorf("%s has no column %q", j.Source.Name, from)
		case written[p.To]:
			return fmt.Errorf("%q is written by two joins", to)
		case !m.Columns[p.To].sameType(&j.Source.Columns[p.From]):
			return fmt.Errorf("%q and %s's %q are of different types", to, j.Source.Name, from)
		}
		written[p.To] = true
		j.Pairs = append(j.Pairs, p)
		j.Reads = append(j.Reads, p.From)
	}
	return nil
}

// inOrder sorts the views so that sources stand before the views that join them;
// among equals the order of definition stays. A cycle is a fault.
func (c *compiler) inOrder() []*Model {
	var out []*Model
	state := map[*Model]int{} // 1 on the way, 2 done
	var visit func(m *Model)
	visit = func(m *Model) {
		switch state[m] {
		case 1:
			c.fault("view %s joins itself, directly or through others: cycles have no result", m.Name)
			return
		case 2:
			return
		}
		state[m] = 1
		for _, j := range m.Joins {
			if j.Source != nil {
				visit(j.Source)
			}
		}
		state[m] = 2
		out = append(out, m)
	}
	for _, m := range c.views {
		visit(m)
	}
	return out
}

func (c *compiler) route(s *Set) {
	types := map[string]reflect.Type{}
	at := func(name string, version int, t reflect.Type, decoder func(*eventlog.Upcasters) decoders, who string) *Route {
		if first, ok := types[name]; ok && first != t {
			c.fault("%s handles event type %s as %s, others as %s: use one Go type", who, name, t, first)
		}
		types[name] = t
		r := s.routes[name]
		if r == nil {
			d := decoder(c.upcasters)
			if c.strict {
				d = d.strictly(name, version, t)
			}
			r = &Route{EventType: name, Decode: d.copying, sharing: d.sharing}
			s.routes[name] = r
		}
		return r
	}
	for i, m := range s.views {
		for _, h := range m.Handlings {
			h.decoding = c.decoding(h.EventType, h.Event)
			r := at(h.EventType, h.EventVersion, h.Event, h.decoder, "view "+m.Name)
			r.Views = append(r.Views, ViewRoute{View: i, Handling: h})
		}
	}
	for i, f := range s.facts {
		for _, h := range f.Handlings {
			h.decoding = c.decoding(h.EventType, h.Event)
			r := at(h.EventType, h.EventVersion, h.Event, h.decoder, "fact "+f.Name)
			r.Facts = append(r.Facts, FactRoute{Fact: i, Handling: h})
		}
	}
}

// decoding is the fingerprint of how a type is decoded: which events are folded, and as what,
// depends on the upcasters, and in a strict set on the type's shape.
func (c *compiler) decoding(name string, t reflect.Type) string {
	fingerprint := c.upcasters.Fingerprint(name)
	if c.strict {
		fingerprint += " strict " + jsonshape.Describe(t)
	}
	return fingerprint
}

func tableName(name string, version int) string { return fmt.Sprintf("%s_v%d", name, version) }
