package projections

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// State is where a row is in its life; the package comment has the picture.
type State int16

// The states of a row. Their numbers are stored.
const (
	Absent  State = 0
	Unborn  State = 1
	Live    State = 2
	Deleted State = 3
)

func (s State) String() string {
	return [...]string{"absent", "unborn", "live", "deleted"}[s]
}

// Row is a row of a view in memory. Its joined columns are zero until Model.Join
// has filled them.
type Row struct {
	Key   string
	State State
	// Value is a *R.
	Value any
	// Touched is the index of the last event that changed the row, in whatever batch
	// folds it; -1 when none did.
	Touched int
}

// NewRow is an absent row.
func (m *Model) NewRow(key string) *Row {
	r := &Row{Key: key, Value: m.New(), Touched: -1}
	*(*string)(m.Field(r.Value, m.Key)) = key
	return r
}

// apply folds one event into the row by the rules of the package comment.
func (m *Model) apply(r *Row, h *Handling, event any, meta Meta, index int) error {
	if r.State == Deleted && !(m.Revive && h.Effect == Creates) {
		return nil
	}
	r.Touched = index
	if h.Effect == Deletes {
		r.State = Deleted
		m.clear(r)
		return nil
	}
	if err := h.Fold(r.Value, r.Key, event, meta); err != nil {
		return err
	}
	if h.Effect == Creates {
		r.State = Live
	} else if r.State == Absent {
		r.State = Unborn
	}
	return m.checkOwn(r)
}

// clear leaves nothing of the row but its key.
func (m *Model) clear(r *Row) {
	m.zero(r.Value)
	*(*string)(m.Field(r.Value, m.Key)) = r.Key
}

// Clone is a shallow copy of a *R: what its slices and maps hold is shared.
func (m *Model) Clone(row any) any { return m.clone(row) }

var errJoined = errors.New("the handler wrote a column that is marked join")

func (m *Model) checkOwn(r *Row) error {
	base := m.base(r.Value)
	if got := *(*string)(m.Columns[m.Key].At(base)); got != r.Key {
		return fmt.Errorf("the handler changed the row's key to %q", got)
	}
	for _, i := range m.joined {
		if c := &m.Columns[i]; !c.isZero(base) {
			return fmt.Errorf("%w: %s", errJoined, c.Name)
		}
	}
	return m.bind(r, m.boundOwn)
}

func (c *Column) isZero(base unsafe.Pointer) bool {
	p := c.At(base)
	if c.Nullable {
		return *(*unsafe.Pointer)(p) == nil
	}
	switch c.Kind {
	case Text:
		return *(*string)(p) == ""
	case Bool:
		return !*(*bool)(p)
	case Int32:
		return *(*int32)(p) == 0
	case Int64:
		return *(*int64)(p) == 0
	case Float64:
		return *(*float64)(p) == 0
	case Time:
		return (*time.Time)(p).IsZero()
	default:
		return reflect.NewAt(c.Type, p).Elem().IsZero()
	}
}

func (c *Column) setZero(base unsafe.Pointer) {
	if c.Kind == Text && !c.Nullable {
		*(*string)(c.At(base)) = ""
		return
	}
	c.reflected(base).SetZero()
}

func (c *Column) reflected(base unsafe.Pointer) reflect.Value {
	t := c.Type
	if c.Nullable {
		t = reflect.PointerTo(t)
	}
	return reflect.NewAt(t, c.At(base)).Elem()
}

// Value is the column's value in the row at base; nil for a nil pointer.
func (c *Column) Value(base unsafe.Pointer) any {
	v := c.reflected(base)
	if !c.Nullable {
		return v.Interface()
	}
	if v.IsNil() {
		return nil
	}
	return v.Elem().Interface()
}

// copyTo copies the value of c in from to the column d in to.
func (c *Column) copyTo(d *Column, from, to unsafe.Pointer) {
	if !c.Nullable && c.Kind == Text && c.Type.Kind() == reflect.String {
		*(*string)(d.At(to)) = *(*string)(c.At(from))
		return
	}
	d.reflected(to).Set(c.reflected(from))
}

const maxKeyBytes = 512

func checkKey(key string) error {
	if key == "" || len(key) > maxKeyBytes || !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0 {
		return fmt.Errorf("the key %.60q cannot be a row's key", key)
	}
	return nil
}
