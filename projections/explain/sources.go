package explain

import (
	"fmt"
	"slices"

	"github.com/readside/readside/projections"
)

// origin is how a row came to be followed: another one named it in a join.
type origin struct {
	from rowID
	join *projections.JoinModel
}

// nameSources follows the rows that a live row joins. Those that are new are seen
// whole in the next pass.
func (f *fold) nameSources(id rowID) error {
	m, r := f.set.Views()[id.view], f.rows[id]
	if r.State != projections.Live {
		return nil
	}
	for _, j := range m.Joins {
		keys, err := j.SourceKeys(nil, m, r.Row)
		if err != nil {
			return nil //nolint:nilerr // the join itself fails, and tells so
		}
		for _, key := range keys {
			source := rowID{slices.Index(f.set.Views(), j.Source), key}
			if _, ok := f.via[source]; !ok {
				f.via[source] = origin{from: id, join: j}
			}
		}
	}
	if len(f.via) > rowsMax {
		return fmt.Errorf("it depends on more than %d rows of other views", rowsMax)
	}
	return nil
}

// through tells how the root depends on a row.
func (f *fold) through(id rowID) Through {
	views := f.set.Views()
	t := Through{View: views[id.view].Name, Key: id.key}
	for {
		o := f.via[id]
		t.Join += joinName(views[o.from.view], o.join)
		if o.from == f.root {
			return t
		}
		t.Join += fmt.Sprintf(" of %s %s, ", views[o.from.view].Name, o.from.key)
		id = o.from
	}
}

func joinName(m *projections.Model, j *projections.JoinModel) string {
	if j.ByFunction() {
		return "join"
	}
	return "copy by " + m.Columns[j.On].Name
}

// joined computes a row's joined columns, from sources that are joined themselves.
func (f *fold) joined(id rowID) (*projections.Row, error) {
	m, own := f.set.Views()[id.view], f.Row(id.view, id.key)
	r := &projections.Row{Key: own.Key, State: own.State, Value: m.Clone(own.Value), Touched: own.Touched}
	if r.State != projections.Live {
		return r, nil
	}
	var failed error
	err := m.Join(r, func(j *projections.JoinModel, key string) any {
		source := rowID{slices.Index(f.set.Views(), j.Source), key}
		if f.rows[source] == nil || f.rows[source].State != projections.Live {
			return nil
		}
		s, err := f.joined(source)
		if err != nil {
			failed = err
			return nil
		}
		return s.Value
	})
	if failed != nil {
		return nil, failed
	}
	return r, err
}

// joinedFrom are the rows that a joined column of the root was filled from. Of
// functions it is not known which writes which column: all of their rows are named.
func (f *fold) joinedFrom(column int) []Joined {
	if !f.model.Columns[column].Join {
		return nil
	}
	var out []Joined
	for _, j := range f.model.Joins {
		if !j.ByFunction() && !slices.ContainsFunc(j.Pairs, func(p projections.Pair) bool { return p.To == column }) {
			continue
		}
		keys, err := j.SourceKeys(nil, f.model, f.rows[f.root].Row)
		if err != nil {
			continue
		}
		for _, key := range keys {
			if s := f.rows[rowID{slices.Index(f.set.Views(), j.Source), key}]; s != nil && s.State == projections.Live {
				out = append(out, Joined{View: j.Source.Name, Key: key, Place: s.place})
			}
		}
		if !j.ByFunction() {
			return out
		}
	}
	return out
}
