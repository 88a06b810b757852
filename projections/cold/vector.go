package cold

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

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

func newVector(k projections.Kind) vector {
	switch k {
	case projections.Bool:
		return new(values[bool])
	case projections.Int32:
		return new(values[int32])
	case projections.Int64:
		return new(values[int64])
	case projections.Float64:
		return new(values[float64])
	case projections.Time:
		return new(values[time.Time])
	default:
		return new(values[string])
	}
}

// What DateTime64(6) holds exactly, and the driver sends exactly.
var (
	timeFirst = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	timeEnd   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// storable checks that ClickHouse gives back every value of the row as it is.
func storable(m *projections.FactModel, base unsafe.Pointer) error {
	var errs []error
	for i := range m.Columns {
		c := &m.Columns[i]
		if c.Kind != projections.Time {
			continue
		}
		if err := storableTime(*(*time.Time)(c.At(base))); err != nil {
			errs = append(errs, fmt.Errorf("column %s: %w", c.Name, err))
		}
	}
	return errors.Join(errs...)
}

func storableTime(t time.Time) error {
	switch {
	case t.Before(timeFirst) || !t.Before(timeEnd):
		return fmt.Errorf("%s is outside of 1900 to 2261, which is what a column of times holds", t)
	case t.Nanosecond()%1000 != 0:
		return fmt.Errorf("%s is not in whole microseconds: truncate it", t)
	case t.Location() != time.UTC:
		return fmt.Errorf("%s is not in UTC: convert it", t)
	}
	return nil
}
