// Package inmemory folds a whole set of views in memory: what stores, rebuilds and tests are
// compared with.
package inmemory

import (
	"cmp"
	"maps"
	"slices"

	"github.com/readside/readside/projections"
)

// Rows are the rows of all views of a set. They are not safe for concurrent use.
type Rows struct {
	set    *projections.Set
	rows   []map[string]*projections.Row
	joined bool
}

// New returns the set's views without any row.
func New(s *projections.Set) *Rows {
	m := &Rows{set: s, rows: make([]map[string]*projections.Row, len(s.Views()))}
	for i := range m.rows {
		m.rows[i] = map[string]*projections.Row{}
	}
	return m
}

// Row is the row of a key, made absent where there is none.
func (m *Rows) Row(view int, key string) *projections.Row {
	r := m.rows[view][key]
	if r == nil {
		r = m.set.Views()[view].NewRow(key)
		m.rows[view][key] = r
	}
	return r
}

// Apply folds events into the rows. The error is a *FoldError.
func (m *Rows) Apply(events []projections.Event) error {
	m.unjoin()
	touches, err := m.set.Touches(nil, events)
	if err != nil {
		return err
	}
	return m.set.Fold(m, touches, events)
}

// Joined computes the joined columns of every live row, sources first, and returns
// the rows of each view sorted by key, in the order of Set.Views.
func (m *Rows) Joined() ([][]*projections.Row, error) {
	m.joined = true
	out := make([][]*projections.Row, len(m.rows))
	for i, view := range m.set.Views() {
		out[i] = slices.SortedFunc(maps.Values(m.rows[i]), func(a, b *projections.Row) int { return cmp.Compare(a.Key, b.Key) })
		for _, r := range out[i] {
			view.Unjoin(r)
			if r.State != projections.Live {
				continue
			}
			if err := view.Join(r, m.source); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// unjoin takes the joined columns away again, which handlers must not see.
func (m *Rows) unjoin() {
	if !m.joined {
		return
	}
	m.joined = false
	for i, view := range m.set.Views() {
		for _, r := range m.rows[i] {
			view.Unjoin(r)
		}
	}
}

func (m *Rows) source(j *projections.JoinModel, key string) any {
	i := slices.Index(m.set.Views(), j.Source)
	if r := m.rows[i][key]; r != nil && r.State == projections.Live {
		return r.Value
	}
	return nil
}
