package projections

import (
	"reflect"
	"slices"
	"time"
)

// A join by a function does not say which columns it writes. So NewSet lets each fill a
// made-up row from made-up sources, in which every column has a value, and looks: a column
// that two joins write has the value of one of them only, and one that is not marked join
// is a handler's. A function that panics on made-up values, or writes nothing for them,
// tells nothing; what it does to real rows is checked when they are folded.

// probe reports the columns that a join by a function writes and must not. copied are those
// that copies write.
func (c *compiler) probe(m *Model, copied map[int]bool) {
	by := map[int]string{}
	for i := range copied {
		by[i] = "a copy"
	}
	for _, j := range m.Joins {
		if !j.ByFunction() || j.Source == nil {
			continue
		}
		for _, i := range j.writes(m) {
			name := m.Columns[i].Name
			switch other := by[i]; {
			case !m.Columns[i].Join:
				c.fault("view %s, join on %s: its function writes the column %s, which is not marked join: mark it, or let a handler write it", m.Name, j.Source.Name, name)
			case other != "":
				c.fault("view %s, join on %s: its function writes the column %s, which %s writes too: give each its own column", m.Name, j.Source.Name, name, other)
			default:
				by[i] = "the join on " + j.Source.Name
			}
		}
	}
}

// writes returns the columns of m that the function changes in a made-up row.
func (j *JoinModel) writes(m *Model) (columns []int) {
	defer func() {
		if recover() != nil {
			columns = nil // made-up values are not what it expects
		}
	}()
	row, before := m.madeUp(of{"row", 1}), m.madeUp(of{"row", 1})
	m.zeroJoined(&Row{Value: row})
	m.zeroJoined(&Row{Value: before})
	keys := slices.Clone(j.Keys(row))
	named := among(keys)
	source := j.Source.madeUp(of{"source", 2})
	j.Fill(row, func(key string) any {
		if named(key) {
			return source
		}
		return nil
	})
	now, was := m.base(row), m.base(before)
	for i := range m.Columns {
		if !reflect.DeepEqual(m.Columns[i].Value(now), m.Columns[i].Value(was)) {
			columns = append(columns, i)
		}
	}
	return columns
}

// of are the values that a made-up row has.
type of struct {
	text   string
	number uint8
}

// madeUp is a row in which every column has a value.
func (m *Model) madeUp(o of) any {
	row := m.New()
	base := m.base(row)
	for i := range m.Columns {
		c := &m.Columns[i]
		o.fill(c.reflected(base), 0)
	}
	return row
}

// maxDepth bounds values that hold values of their own type.
const maxDepth = 6

func (o of) fill(v reflect.Value, depth int) {
	if depth > maxDepth || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(o.text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(o.number))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(o.number))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(o.number))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		o.fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		o.fill(v.Index(0), depth+1)
	case reflect.Array:
		for i := range v.Len() {
			o.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		o.fill(key, depth+1)
		o.fill(value, depth+1)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(time.Date(2026, 1, int(o.number), 0, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			o.fill(v.Field(i), depth+1)
		}
	}
}
