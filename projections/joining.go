package projections

import (
	"errors"
	"fmt"
	"slices"
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
	defer m.recoverJoin(r, &err)
	m.zeroJoined(r)
	for _, j := range m.Joins {
		if j.ByFunction() {
			j.Fill(r.Value, j.getter(j.keysOf(r), sources))
		}
	}
	if err := m.checkFilled(r); err != nil {
		return err
	}
	for _, j := range m.Joins {
		if !j.ByFunction() {
			m.copyFrom(r, j, sources(j, j.KeyIn(m, r)))
		}
	}
	return nil
}

func (m *Model) recoverJoin(r *Row, err *error) {
	if p := recover(); p != nil {
		cause, hint := panicked(p), hintJoin
		if errors.Is(cause, ErrOverflow) {
			cause, hint = p.(error), hintOverflow
		}
		*err = &FoldError{View: m.Name, Key: r.Key, Type: "join", Reason: ReasonJoin, Err: cause, Hint: hint}
	}
}

// getter returns the sources that keys name. Others would be found or not by chance,
// and their changes would never reach the row.
func (j *JoinModel) getter(keys []string, sources Sources) func(key string) any {
	named := among(keys)
	return func(key string) any {
		switch {
		case named(key):
			return j.readable(sources(j, key))
		case checkKey(key) == nil:
			panic(fmt.Sprintf("fill asks for the row %q of %s, which keys did not name", key, j.Source.Name))
		}
		return nil
	}
}

// checkFilled checks what functions did to a row.
func (m *Model) checkFilled(r *Row) error {
	if got := *(*string)(m.Field(r.Value, m.Key)); got != r.Key {
		return &FoldError{View: m.Name, Key: r.Key, Type: "join", Reason: ReasonJoin, Err: fmt.Errorf("a join changed the row's key to %q", got), Hint: "joins write columns marked join only"}
	}
	if err := m.bind(r, m.boundJoined); err != nil {
		return &FoldError{View: m.Name, Key: r.Key, Type: "join", Reason: ReasonJoin, Err: err, Hint: hintBound}
	}
	return nil
}

// Unjoin zeroes the joined columns of a row, which handlers must not see.
func (m *Model) Unjoin(r *Row) {
	if len(m.Joins) > 0 {
		m.zeroJoined(r)
	}
}

func (m *Model) zeroJoined(r *Row) {
	base := m.base(r.Value)
	for _, i := range m.joined {
		m.Columns[i].setZero(base)
	}
}

// readable is a source with nothing but the columns that the join reads, so that it
// cannot depend on others unnoticed.
func (j *JoinModel) readable(source any) any {
	if source == nil || len(j.Reads) == len(j.Source.Columns) {
		return source
	}
	s := j.Source
	part := s.New()
	from, to := s.base(source), s.base(part)
	s.Columns[s.Key].copyTo(&s.Columns[s.Key], from, to)
	for _, i := range j.Reads {
		s.Columns[i].copyTo(&s.Columns[i], from, to)
	}
	return part
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

// SourceKeys appends the source keys that join j of view m needs for row r; those
// that no row can have are left out. The error is a *FoldError without a position.
func (j *JoinModel) SourceKeys(dst []string, m *Model, r *Row) (keys []string, err error) {
	defer m.recoverJoin(r, &err)
	if j.ByFunction() {
		return append(dst, j.keysOf(r)...), nil
	}
	if key := j.KeyIn(m, r); checkKey(key) == nil {
		dst = append(dst, key)
	}
	return dst, nil
}

// keysOf are the distinct keys that a function names and a row can have.
func (j *JoinModel) keysOf(r *Row) []string {
	keys := appendDistinct(nil, j.Keys(r.Value))
	return slices.DeleteFunc(keys, func(key string) bool { return checkKey(key) != nil })
}
