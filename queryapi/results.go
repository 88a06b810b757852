package queryapi

import (
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// results are what one operation fetched: pages of Postgres by the path of their
// field, reports by theirs, and how fresh the views were in the snapshot.
type results struct {
	pages   map[string]*page
	reports map[string]*ReportRows
	fresh   []*Freshness
	head    eventlog.Position // the end of the log
	// degraded are rows asked for by their key, found or not, that are degraded.
	degraded []degradedRow
}

// page is what one read fetched: the rows asked for, and whether more follow.
type page struct {
	read  *read
	rows  []*row
	more  bool
	fresh *Freshness
	at    map[int]int // the model's columns in the rows' values
	// degraded are the degraded ones of the keys that the operation asks for.
	degraded []string
}

// row is one row of a page, with the columns that its read selected.
type row struct {
	page     *page
	values   []any
	degraded bool
}

func newPage(r *read) *page {
	p := &page{read: r, at: make(map[int]int, len(r.columns)), rows: []*row{}}
	for i, c := range r.columns {
		p.at[c] = i
	}
	return p
}

// only is the row of a read by key, or nil.
func (p *page) only() any {
	if p == nil || len(p.rows) == 0 {
		return nil
	}
	return p.rows[0]
}

func (p *page) endCursor() any {
	if len(p.rows) == 0 {
		return nil
	}
	return p.rows[len(p.rows)-1].cursor()
}

// value is a column's value; nil for NULL. That a column was not read is a fault of the
// plan: the field has an error then, not another column's value.
func (r *row) value(column int) any {
	at, read := r.page.at[column]
	if !read {
		panic("column " + r.page.read.view.model.Columns[column].Name + " was not read")
	}
	return r.values[at]
}

func (r *row) cursor() string {
	read := r.page.read
	c := cursor{View: read.view.model.Table(), Order: read.order.name, Key: fmt.Sprint(r.value(read.view.model.Key))}
	if read.order.column != read.view.model.Key {
		value := r.value(read.order.column)
		if c.Null = value == nil; !c.Null {
			c.Value = formatCell(value)
		}
	}
	return c.String()
}

// load reads the rows of a statement, behind those of the one before; the one too many says
// that more follow.
func (p *page) load(rows pgx.Rows) error {
	defer rows.Close()
	cells := make([]cell, len(p.read.columns))
	targets := make([]any, 0, len(cells)+1)
	for i, c := range p.read.columns {
		cells[i] = newCell(p.read.view.model.Columns[c].Kind)
		targets = append(targets, cells[i].target())
	}
	var degraded bool
	if p.read.degraded && p.read.list {
		targets = append(targets, &degraded)
	}
	for rows.Next() {
		if p.read.list && len(p.rows) == p.read.first {
			p.more = true
			continue
		}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		values := make([]any, len(cells))
		for i, c := range cells {
			values[i] = c.value()
		}
		p.rows = append(p.rows, &row{page: p, values: values, degraded: degraded || p.isDegraded()})
	}
	return rows.Err()
}

// cell scans one column, row after row.
type cell interface {
	target() any
	value() any
}

func newCell(k projections.Kind) cell {
	switch k {
	case projections.Text, projections.UUID, projections.Decimal:
		return &cellOf[string]{}
	case projections.Bool:
		return &cellOf[bool]{}
	case projections.Int32:
		return &cellOf[int32]{}
	case projections.Int64:
		return &cellOf[int64]{}
	case projections.Float64:
		return &cellOf[float64]{}
	case projections.Time:
		return &cellOf[time.Time]{}
	}
	return &bytesCell{}
}

// cellOf scans through a pointer, which is nil for NULL.
type cellOf[T any] struct{ scanned *T }

func (c *cellOf[T]) target() any { return &c.scanned }

func (c *cellOf[T]) value() any {
	if c.scanned == nil {
		return nil
	}
	return *c.scanned
}

type bytesCell struct{ scanned []byte }

func (c *bytesCell) target() any { return &c.scanned }

func (c *bytesCell) value() any {
	if c.scanned == nil {
		return nil
	}
	return slices.Clone(c.scanned)
}
