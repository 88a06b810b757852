package projections

import (
	"cmp"
	"maps"
	"slices"
)

// Memory folds a whole set in memory: what verification, rebuilds and tests
// compare a store with. It is not safe for concurrent use.
type Memory struct {
	set    *Set
	rows   []map[string]*Row
	joined bool
}

// NewMemory is a memory of the set's views without any row.
func NewMemory(s *Set) *Memory {
	m := &Memory{set: s, rows: make([]map[string]*Row, len(s.views))}
	for i := range m.rows {
		m.rows[i] = map[string]*Row{}
	}
	return m
}

// Row is the row of a key, made absent where there is none.
func (m *Memory) Row(view int, key string) *Row {
	r := m.rows[view][key]
	if r == nil {
		r = m.set.views[view].NewRow(key)
		m.rows[view][key] = r
	}
	return r
}

// Apply folds events into the memory. The error is a *FoldError.
func (m *Memory) Apply(events []Event) error {
	m.unjoin()
	touches, err := m.set.Touches(nil, events)
	if err != nil {
		return err
	}
	return m.set.Fold(m, touches, events)
}

// Joined computes the joined columns of every live row, sources first, and returns
// the rows of each view sorted by key, in the order of Set.Views.
func (m *Memory) Joined() ([][]*Row, error) {
	m.joined = true
	out := make([][]*Row, len(m.rows))
	for i, view := range m.set.views {
		out[i] = slices.SortedFunc(maps.Values(m.rows[i]), func(a, b *Row) int { return cmp.Compare(a.Key, b.Key) })
		for _, r := range out[i] {
			view.zeroJoined(r)
			if r.State != Live {
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
func (m *Memory) unjoin() {
	if !m.joined {
		return
	}
	m.joined = false
	for i, view := range m.set.views {
		for _, r := range m.rows[i] {
			view.zeroJoined(r)
		}
	}
}

func (m *Memory) source(j *JoinModel, key string) any {
	i := slices.Index(m.set.views, j.Source)
	if r := m.rows[i][key]; r != nil && r.State == Live {
		return r.Value
	}
	return nil
}
