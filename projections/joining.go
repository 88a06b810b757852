package projections

import (
	"fmt"
)

// Sources finds the live row of a join's source by key: a *S, or nil.
type Sources func(j *JoinModel, key string) any

// Join computes the joined columns of a live row anew: zeroed, then filled by the
// functions in their order, then by the copies. The error is a *FoldError without a
// position, since a joined column belongs to no single event.
func (m *Model) Join(r *Row, sources Sources) (err error) {
	if len(m.Joins) == 0 {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = &FoldError{View: m.Name, Key: r.Key, Type: "join", Err: panicked(p), Hint: "mend the join's functions and start the projector again"}
		}
	}()
	m.zeroJoined(r)
	for _, j := range m.Joins {
		if j.ByFunction() {
			j.Fill(r.Value, func(key string) any { return sources(j, key) })
		}
	}
	if err := m.checkKeyKept(r); err != nil {
		return err
	}
	for _, j := range m.Joins {
		if !j.ByFunction() {
			m.copyFrom(r, j, sources(j, j.KeyIn(m, r)))
		}
	}
	return nil
}

func (m *Model) checkKeyKept(r *Row) error {
	if got := *(*string)(m.Field(r.Value, m.Key)); got != r.Key {
		return &FoldError{View: m.Name, Key: r.Key, Type: "join", Err: fmt.Errorf("a join changed the row's key to %q", got), Hint: "joins write columns marked join only"}
	}
	return nil
}

func (m *Model) zeroJoined(r *Row) {
	base := m.base(r.Value)
	for i := range m.Columns {
		if m.Columns[i].Join {
			m.Columns[i].setZero(base)
		}
	}
}

func (m *Model) copyFrom(r *Row, j *JoinModel, source any) {
	if source == nil {
		return
	}
	from, to := j.Source.base(source), m.base(r.Value)
	for _, p := range j.Pairs {
		j.Source.Columns[p.From].copyTo(&m.Columns[p.To], from, to)
	}
}

// KeyIn is the source key that a copy reads from row r of view m.
func (j *JoinModel) KeyIn(m *Model, r *Row) string {
	return *(*string)(m.Field(r.Value, j.On))
}

// SourceKeys appends the source keys that join j of view m needs for row r.
func (j *JoinModel) SourceKeys(dst []string, m *Model, r *Row) []string {
	if !j.ByFunction() {
		if key := j.KeyIn(m, r); key != "" {
			dst = append(dst, key)
		}
		return dst
	}
	return appendDistinct(dst, j.Keys(r.Value))
}
