package projections

import (
	"reflect"
	"unsafe"
)

// View is a table of rows of R, kept in step with the events that its handlers
// fold. R is a struct; every exported field with a `view` tag is a column:
//
//	view:"name[,key][,index][,order][,join][,hidden][,scale=N]"
//
// key marks the one string that identifies the row; index makes the column a
// filter of lists; order declares it an order of lists, in which what is NULL comes
// last, and first where the order is descending; join says that only joins write it;
// hidden keeps it out of the query API.
//
// The kinds of columns:
//
//	field                                 column of Postgres    in the query API
//	string                                text                  String
//	bool, int32, int and int64, float64   boolean, integer,     Boolean, Int,
//	                                      bigint, float8        Long, Float
//	time.Time                             timestamptz           Time
//	uuid.UUID                             uuid                  UUID
//	decimal.Decimal with scale=4          numeric(38, 4)        Decimal
//	a string type with Values() []string  text                  an enum of the type's name
//	*T of those above                     T, NULL for nil       T or null
//	structs, slices, maps                 json                  objects, lists, JSON
//
// A value that its column does not hold is never rounded or cut: it is a fault of its
// event, which is parked. That holds for a decimal with more digits behind the point than
// its scale or more than 38 in all, and for a value that its type does not declare. A row
// begins with the empty string; when it is live, it has a declared value (the empty one
// may be declared, too), or nil where the field is a pointer. A joined column may stay
// empty, since its source need not be there.
type View[R any] struct {
	// Name is the view's name, in lower case: "order".
	Name string
	// Version counts the definition's versions, from 1. Changed code needs a new one.
	Version int
	// Doc is one sentence that the query API shows.
	Doc string
	// Revive lets a row live again: a Create behind its Delete begins a new life, from zero.
	// Without it a deleted row stays deleted, whatever comes. With it the order in which a
	// Create and a Delete arrive matters, so both belong into one stream.
	Revive bool
	// Handlers fold events into rows.
	Handlers []Handler[R]
	// Joins fill the columns marked join.
	Joins []Join[R]
}

// Definition is what NewSet takes: a *View, a *Fact, Upcasters or Strict.
type Definition interface {
	define(*compiler)
}

func (v *View[R]) define(c *compiler) {
	c.view(v, func() *Model {
		m := &Model{
			Name: v.Name, Version: v.Version, Doc: v.Doc, Revive: v.Revive,
			Type: reflect.TypeFor[R](),
			New:  func() any { return new(R) },
			base: func(row any) unsafe.Pointer { return unsafe.Pointer(row.(*R)) },
			zero: func(row any) { *row.(*R) = *new(R) },
			clone: func(row any) any {
				c := *row.(*R)
				return &c
			},
		}
		for _, h := range v.Handlers {
			m.Handlings = append(m.Handlings, h.handling())
		}
		for _, j := range v.Joins {
			m.Joins = append(m.Joins, j.join())
		}
		return m
	})
}

// Model is a view as the engine sees it: compiled, checked, free of type parameters.
type Model struct {
	Name    string
	Version int
	Doc     string
	// Revive reports whether a deleted row may be created again.
	Revive bool
	// Type is the struct type of the rows.
	Type reflect.Type
	// Columns in the order of the struct's fields; the key is among them.
	Columns []Column
	// Key is the index of the key column.
	Key int
	// Handlings are the handlers, in the order of their definition.
	Handlings []*Handling
	// Joins in the order of their definition.
	Joins []*JoinModel
	// New makes a zero row, a *R.
	New func() any

	// joined are the indices of the columns that joins fill; boundOwn and boundJoined those
	// of the columns that hold less than their type.
	joined, boundOwn, boundJoined []int

	base  func(row any) unsafe.Pointer
	zero  func(row any)
	clone func(row any) any
}

// Field points to the column's field in row, a *R: a *string, *int64, *time.Time, …
// of the column's Go type.
func (m *Model) Field(row any, column int) unsafe.Pointer {
	return unsafe.Add(m.base(row), m.Columns[column].offset)
}

// Base points to the start of row; Column.At finds a field from there.
func (m *Model) Base(row any) unsafe.Pointer { return m.base(row) }

// Column finds a column by name, or returns -1.
func (m *Model) Column(name string) int {
	for i := range m.Columns {
		if m.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Table is the view's name and version, as tables, checkpoints and messages name it: "order_v3".
func (m *Model) Table() string { return tableName(m.Name, m.Version) }
