package projections

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/readside/readside/projections/internal/jsonshape"
)

// Fingerprint is a hash of what a view's stored rows depend on: its columns, the
// event types that it handles with their upcasters, and its joins down to their
// sources. Two fingerprints that differ need two generations. (What the handlers do
// is code, which no fingerprint sees: changed code needs a new Version.)
func (m *Model) Fingerprint() string {
	sum := sha256.Sum256([]byte(m.describe()))
	return hex.EncodeToString(sum[:8])
}

func (m *Model) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "view %s %d\n", m.Name, m.Version)
	if m.Revive {
		b.WriteString("revive\n")
	}
	for _, c := range m.Columns {
		fmt.Fprintf(&b, "column %s %s null=%t key=%t index=%t order=%t join=%t\n", c.Name, c.Kind, c.Nullable, c.Key, c.Index, c.Order, c.Join)
		b.WriteString(c.described())
		if c.Kind == JSON {
			fmt.Fprintf(&b, "json %s\n", jsonshape.Describe(c.Type))
		}
	}
	for _, h := range m.Handlings {
		fmt.Fprintf(&b, "handle %s %d %s %s\n", h.EventType, h.EventVersion, h.Effect, h.decoding)
	}
	for _, j := range m.Joins {
		fmt.Fprintf(&b, "join %s on=%d %v reads=%v\n", j.Source.Fingerprint(), j.On, j.Pairs, j.Reads)
	}
	return b.String()
}

// Sources are the views that m joins, directly or through others, in the order of
// Set.Views.
func (s *Set) sources(m *Model) []*Model {
	needed := map[*Model]bool{}
	var visit func(*Model)
	visit = func(m *Model) {
		needed[m] = true
		for _, j := range m.Joins {
			visit(j.Source)
		}
	}
	visit(m)
	return slices.DeleteFunc(slices.Clone(s.views), func(v *Model) bool { return !needed[v] })
}

// With is the part of the set that view m can be folded from alone: m and the views
// that it joins, directly or through others.
func (s *Set) With(m *Model) *Set {
	part := &Set{views: s.sources(m), upcasters: s.upcasters, routes: map[string]*Route{}}
	for name, r := range s.routes {
		kept := &Route{EventType: name, Decode: r.Decode, sharing: r.sharing}
		for _, v := range r.Views {
			if i := slices.Index(part.views, s.views[v.View]); i >= 0 {
				kept.Views = append(kept.Views, ViewRoute{View: i, Handling: v.Handling})
			}
		}
		if len(kept.Views) > 0 {
			part.routes[name] = kept
		}
	}
	return part
}

// Fingerprint is a hash of the fingerprints of the set's views: two sets that differ in
// it are folded by two projectors, each into tables of its own.
func (s *Set) Fingerprint() string {
	h := sha256.New()
	for _, m := range s.views {
		fmt.Fprintf(h, "%s %s\n", m.Table(), m.Fingerprint())
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}
