package queryapi

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/projections"
)

// coldType is a type of ClickHouse as far as reports read it.
type coldType struct {
	// name is the type of the values, without what is around it: "Int64".
	name     string
	nullable bool
	list     bool
}

// parseColdType takes apart what ClickHouse calls a type: "Array(LowCardinality(String))".
func parseColdType(text string) coldType {
	var t coldType
	text, t.list = unwrapped(text, "Array(")
	text, _ = unwrapped(text, "LowCardinality(")
	t.name, t.nullable = unwrapped(text, "Nullable(")
	return t
}

// scale is that of a decimal: the 4 of "Decimal(38, 4)".
func (t coldType) scale() int {
	_, text, _ := strings.Cut(t.name, ",")
	scale, err := strconv.Atoi(strings.Trim(text, " )"))
	if err != nil {
		return 0 // it is none
	}
	return scale
}

func unwrapped(text, wrapping string) (inner string, was bool) {
	if inner, was = strings.CutPrefix(text, wrapping); was {
		return strings.TrimSuffix(inner, ")"), true
	}
	return text, false
}

// The types that are read as whole numbers: sums are wider than what they add.
var (
	wholeKinds = []string{"Int64", "UInt64", "Int128", "UInt128", "Int256", "UInt256"}
	// wholeItems are those that items of lists may have.
	wholeItems = []string{"Int64", "UInt64"}
)

// holds reports whether values of type t are what a report's column declares.
func (c *ReportColumn) holds(t coldType) bool {
	if t.list != c.List || t.nullable && (!c.Nullable || t.list) {
		return false
	}
	switch c.Kind {
	case projections.Text:
		return t.name == "String"
	case projections.Bool:
		return t.name == "Bool"
	case projections.Int32:
		return t.name == "Int32"
	case projections.Int64:
		return !t.list && slices.Contains(wholeKinds, t.name) || slices.Contains(wholeItems, t.name)
	case projections.Float64:
		return t.name == "Float64"
	case projections.Time:
		return strings.HasPrefix(t.name, "DateTime")
	case projections.UUID:
		return t.name == "UUID"
	case projections.Decimal:
		return strings.HasPrefix(t.name, "Decimal(")
	}
	return false
}

// String is the declared type, for errors.
func (c *ReportColumn) String() string {
	text := "kind " + c.Kind.String()
	if c.Nullable {
		text += ", nullable"
	}
	if c.List {
		text += ", a list"
	}
	return text
}

// reportCells are what a row is scanned into: as the report says, and for wide integers as
// the column is.
func reportCells(types []driver.ColumnType, columns []ReportColumn) []cell {
	cells := make([]cell, len(columns))
	for i := range columns {
		var t coldType
		if i < len(types) {
			t = parseColdType(types[i].DatabaseTypeName())
		}
		cells[i] = columns[i].cell(t)
	}
	return cells
}

func scanReportRow(rows driver.Rows, cells []cell) ([]any, error) {
	targets := make([]any, len(cells))
	for i, c := range cells {
		targets[i] = c.target()
	}
	if err := rows.Scan(targets...); err != nil {
		return nil, err
	}
	row := make([]any, len(cells))
	for i, c := range cells {
		row[i] = c.value()
	}
	return row, nil
}

func (c *ReportColumn) cell(t coldType) cell {
	switch c.Kind {
	case projections.Bool:
		return coldCell(c, asIs[bool])
	case projections.Int32:
		return coldCell(c, asIs[int32])
	case projections.Int64:
		switch {
		case t.name == "UInt64":
			return coldCell(c, func(n uint64) any { return whole(new(big.Int).SetUint64(n)) })
		case slices.Contains(wholeKinds[2:], t.name):
			return coldCell(c, func(n big.Int) any { return whole(&n) })
		}
		return coldCell(c, asIs[int64])
	case projections.Float64:
		return coldCell(c, asIs[float64])
	case projections.Time:
		return coldCell(c, asIs[time.Time])
	case projections.UUID:
		return coldCell(c, func(id uuid.UUID) any { return id.String() })
	case projections.Decimal:
		scale := t.scale()
		return coldCell(c, func(d decimal.Decimal) any { return digits(d, scale) })
	}
	return coldCell(c, asIs[string])
}

func coldCell[T any](c *ReportColumn, convert func(T) any) cell {
	switch {
	case c.List:
		return &listCell[T]{convert: convert}
	case c.Nullable:
		return &nullableCell[T]{convert: convert}
	}
	return &plainCell[T]{convert: convert}
}

// plainCell scans a value, nullableCell through a pointer that is nil for NULL, listCell
// all items of an array.
type (
	plainCell[T any] struct {
		scanned T
		convert func(T) any
	}
	nullableCell[T any] struct {
		scanned *T
		convert func(T) any
	}
	listCell[T any] struct {
		scanned []T
		convert func(T) any
	}
)

func (c *plainCell[T]) target() any { return &c.scanned }
func (c *plainCell[T]) value() any  { return c.convert(c.scanned) }

func (c *nullableCell[T]) target() any { return &c.scanned }

func (c *nullableCell[T]) value() any {
	if c.scanned == nil {
		return nil
	}
	return c.convert(*c.scanned)
}

func (c *listCell[T]) target() any { return &c.scanned }

func (c *listCell[T]) value() any {
	items := make([]any, len(c.scanned))
	for i, item := range c.scanned {
		items[i] = c.convert(item)
	}
	return items
}

// whole is an int64, or the digits of what is beyond: see the scalar Long.
func whole(n *big.Int) any {
	if n.IsInt64() {
		return n.Int64()
	}
	return n.String()
}

func asIs[T any](v T) any { return v }
