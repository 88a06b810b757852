package hot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/readside/readside/internal/hot/cell"
	"github.com/readside/readside/internal/hot/image"
	"github.com/readside/readside/projections"
)

var be = binary.BigEndian

// What rows are stored as; see package image.
type (
	// Image is a row as it is stored.
	Image = image.Image
	// Blocks is memory that images share.
	Blocks = image.Blocks
	// Columns is a set of a view's columns.
	Columns = image.Columns
)

// Layout is how a view's rows lie in a table: the view's columns, the row's state,
// and for each join by a function the source keys that the row depends on.
type Layout struct {
	Model *projections.Model

	columns []tableColumn
	state   int
	links   []*projections.JoinModel
	// copies are the joins that copy; copied the columns that they fill.
	copies []*projections.JoinModel
	copied image.Columns
}

type tableColumn struct {
	name string
	cell.Type
	// model is the column of the view, nil for the hidden ones.
	model *projections.Column
	// indexed reports whether the column stands in an index, which holds short values only.
	indexed bool
}

// maxIndexedBytes leaves room for the key beside the value: Postgres refuses entries
// of over 2,704 bytes, and would again and again.
const maxIndexedBytes = 2000

// The names of the hidden columns.
const (
	StateColumn = "_state"
	linkColumn  = "_link_"
)

// NewLayout lays out a view.
func NewLayout(m *projections.Model) (*Layout, error) {
	l := &Layout{Model: m}
	for i := range m.Columns {
		c := &m.Columns[i]
		l.columns = append(l.columns, tableColumn{name: c.Name, Type: cell.TypeOf(c), model: c, indexed: c.Index || c.Order})
	}
	l.state = len(l.columns)
	l.columns = append(l.columns, tableColumn{name: StateColumn, Type: cell.Type{Name: "smallint", OID: pgtype.Int2OID, Array: pgtype.Int2ArrayOID}})
	for _, j := range m.Joins {
		if j.ByFunction() {
			l.links = append(l.links, j)
			l.columns = append(l.columns, tableColumn{
				name: fmt.Sprint(linkColumn, j.Link),
				Type: cell.Type{Name: "text[]", OID: pgtype.TextArrayOID},
			})
		} else {
			l.columns[j.On].indexed = true
			l.copies = append(l.copies, j)
		}
	}
	if len(l.columns) > image.MaxColumns {
		return nil, fmt.Errorf("view %s has %d columns, %d with those that the engine adds; at most %d: gather some in a json column", m.Name, len(m.Columns), len(l.columns), image.MaxColumns)
	}
	for _, j := range l.copies {
		l.copied |= pairSet(j)
	}
	return l, nil
}

// linkAt is the table's column of the n-th function join.
func (l *Layout) linkAt(n int) int { return l.state + 1 + n }

// links is the set of link columns.
func (l *Layout) linkSet() (s image.Columns) {
	for n := range l.links {
		s |= 1 << l.linkAt(n)
	}
	return s
}

func (l *Layout) names() string {
	names := make([]string, len(l.columns))
	for i, c := range l.columns {
		names[i] = quote(c.name)
	}
	return strings.Join(names, ", ")
}

// which columns of an image Decode fills.
type part bool

const (
	// own columns only: what handlers may see.
	own part = false
	// whole rows, joined columns too: what joins may see.
	whole part = true
)

// decode makes a row of an image.
func (l *Layout) decode(img Image, p part) (*projections.Row, error) {
	r := &projections.Row{Value: l.Model.New(), Touched: -1}
	base := l.Model.Base(r.Value)
	for i := range l.Model.Columns {
		c := &l.Model.Columns[i]
		if c.Join && p == own {
			continue
		}
		if err := cell.Set(c, base, img.Value(i)); err != nil {
			return nil, fmt.Errorf("table of view %s: %w: rebuild the view", l.Model.Name, err)
		}
	}
	r.Key = string(img.Value(l.Model.Key))
	r.State = projections.State(be.Uint16(img.Value(l.state)))
	return r, nil
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// ColumnNames are the table's columns in their order, quoted, as statements list them.
func (l *Layout) ColumnNames() string { return l.names() }

// Layouts are the layouts of a set's views, in its order.
func Layouts(set *projections.Set) ([]*Layout, error) {
	var errs []error
	layouts := make([]*Layout, len(set.Views()))
	for i, m := range set.Views() {
		l, err := NewLayout(m)
		errs = append(errs, err)
		layouts[i] = l
	}
	return layouts, errors.Join(errs...)
}
