package cold

import (
	"time"
	"unsafe"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/projections"
)

// vector is the values of one column of a block.
type vector interface {
	add(p unsafe.Pointer)
	send(to driver.BatchColumn) error
}

// values is a vector of fields of type T.
type values[T any] []T

func (v *values[T]) add(p unsafe.Pointer)             { *v = append(*v, *(*T)(p)) }
func (v *values[T]) send(to driver.BatchColumn) error { return to.Append([]T(*v)) }

func newVector(c *projections.FactColumn) vector {
	switch c.Kind {
	case projections.Bool:
		return vectorOf[bool](c)
	case projections.Int32:
		return vectorOf[int32](c)
	case projections.Int64:
		return vectorOf[int64](c)
	case projections.Float64:
		return vectorOf[float64](c)
	case projections.Time:
		return vectorOf[time.Time](c)
	case projections.UUID:
		return vectorOf[uuid.UUID](c)
	case projections.Decimal:
		return vectorOf[decimal.Decimal](c)
	}
	if c.Nullable && c.Low {
		return new(labels)
	}
	return vectorOf[string](c)
}

func vectorOf[T any](c *projections.FactColumn) vector {
	switch {
	case c.Nullable:
		return new(nullables[T])
	case c.List:
		return new(lists[T])
	}
	return new(values[T])
}

// nullables is a vector of fields of type *T. It holds the values, so that a pointer keeps
// nothing else of its event in memory and a later change through it changes nothing here.
type nullables[T any] struct {
	values []T
	null   []bool
}

func (v *nullables[T]) add(p unsafe.Pointer) {
	var value T
	from := *(**T)(p)
	if from != nil {
		value = *from
	}
	v.values, v.null = append(v.values, value), append(v.null, from == nil)
}

func (v *nullables[T]) send(to driver.BatchColumn) error {
	rows := make([]*T, len(v.values))
	for i := range rows {
		if !v.null[i] {
			rows[i] = &v.values[i]
		}
	}
	return to.Append(rows)
}

// labels is a vector of *string for a column of low cardinality. The driver finds equal
// values of its dictionary by what it is given, and would find no pointer twice.
type labels struct{ nullables[string] }

func (v *labels) send(to driver.BatchColumn) error {
	rows := make([]any, len(v.values))
	for i := range rows {
		if !v.null[i] {
			rows[i] = v.values[i]
		}
	}
	return to.Append(rows)
}

// lists is a vector of fields of type []T: the items of all rows, and where each row ends.
type lists[T any] struct {
	items []T
	ends  []int
}

func (v *lists[T]) add(p unsafe.Pointer) {
	v.items = append(v.items, *(*[]T)(p)...)
	v.ends = append(v.ends, len(v.items))
}

func (v *lists[T]) send(to driver.BatchColumn) error {
	from := 0
	for _, end := range v.ends {
		if err := to.AppendRow(v.items[from:end]); err != nil { // by row: the driver takes slices of T without reflection
			return err
		}
		from = end
	}
	return nil
}
