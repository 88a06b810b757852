package queryapi

import (
	"github.com/readside/readside/projections"
)

// Definition is what an API serves: every view of the set by key and as a list, and
// the domain's own screens and reports.
type Definition struct {
	Set     *projections.Set
	Screens []Screen
	Reports []Report
	// Plurals name the lists of views whose English plural is irregular.
	Plurals map[string]string
}

// Screen is a root field with several parts, each a row or a list of a view, all read
// in one round trip and one snapshot.
type Screen struct {
	// Name is the root field's name: "home".
	Name string
	// Doc is one sentence that the schema shows.
	Doc string
	// Args are the screen's arguments.
	Args []Arg
	// Parts are its fields.
	Parts []Part
}

// Arg is an argument of a screen or a report. All are required unless Default is set.
type Arg struct {
	Name string
	Doc  string
	// Kind is one of Text, Bool, Int32, Int64, Float64, Time, UUID, Decimal.
	Kind projections.Kind
	// Default is a value of the kind's Go type: string, bool, int, int64, float64; of UUID
	// and Decimal it is their text.
	Default any
}

// Part is one field of a screen.
type Part struct {
	Name string
	Doc  string
	// View is the view that the part reads.
	View string
	// Key names the screen's argument that is the row's key; empty for a list.
	Key string
	// List says which rows a list has; nil for a row by key.
	List *List
}

// List is a list part: its arguments first and after page it, as they do other lists.
type List struct {
	// Where are conditions on columns with an index; all of them hold.
	Where []Where
	// OrderBy is one of the view's orders, "CREATED_AT_DESC"; by key when empty.
	OrderBy string
	// First is how many rows there are unless the query says otherwise.
	First int
}

// Where compares a column with one of the screen's arguments, or with fixed values.
type Where struct {
	Column string
	// Arg names the argument that the column equals.
	Arg string
	// In are fixed values of a text column, one of which it equals.
	In []string
}

// Report is a root field over the cold store.
type Report struct {
	// Name is the root field's name: "salesByMonth".
	Name string
	Doc  string
	Args []Arg
	// SQL is one SELECT over the documented views. Arguments are its parameters, bound
	// and never pasted in: {from:DateTime64(6,'UTC')}. Every report also has
	// {time_zone:String}, and {rows_max:UInt64}, which its LIMIT must obey. Its columns
	// are of the types String, Bool, Int32, Int64, Float64, DateTime64, UUID and Decimal, as
	// Columns say. An Int64 column may also be wider, up to Int256: sums of 64-bit numbers
	// have to be, since ClickHouse wraps what does not fit. What is beyond 64 bits is
	// answered as a text of digits. So are sums of decimals: begin with toDecimal256.
	SQL string
	// Columns are those that SQL selects, in its order.
	Columns []ReportColumn
	// Tables are the cold tables it reads: their watermarks are its freshness.
	Tables []string
	// RowsMax bounds the answer; 1,000 when zero.
	RowsMax int
}

// ReportColumn is a column of a report.
type ReportColumn struct {
	Name string
	Doc  string
	// Kind is one of Text, Bool, Int32, Int64, Float64, Time, UUID, Decimal. A Decimal is
	// answered as the text of its exact digits, as many behind the point as its type has.
	Kind projections.Kind
	// Nullable columns may be NULL. Others are refused where their type is Nullable.
	Nullable bool
	// List columns are arrays, whose items are never null. A list of whole numbers has the
	// type Array(Int64) or Array(UInt64).
	List bool
}
