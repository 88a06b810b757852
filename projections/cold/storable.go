package cold

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/internal/decimals"
	"github.com/readside/readside/projections"
)

// What DateTime64(6) holds exactly, and the driver sends exactly.
var (
	timeFirst = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	timeEnd   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Bounds of lists.
const (
	// listItemsMax is how many items a list may have.
	listItemsMax = 10_000
	// rowListBytesMax bounds the lists of one row.
	rowListBytesMax = 1 << 20
	// eventListBytesMax bounds those of all rows of one event.
	eventListBytesMax = 16 << 20
)

// storable checks that ClickHouse gives back every value of the row as it is. All faults
// come back at once. bytes is the memory that the row's lists take.
func storable(m *projections.FactModel, base unsafe.Pointer) (bytes int, err error) {
	var errs []error
	for i := range m.Columns {
		c := &m.Columns[i]
		var n int
		var err error
		switch {
		case c.List || c.Nullable:
			n, err = storableWrapped(c, c.At(base))
		case c.Kind == projections.Time: // as every row has it
			err = storableTime(*(*time.Time)(c.At(base)))
		case c.Kind == projections.Decimal || c.Values != nil:
			err = storableValue(c, c.At(base))
		default:
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("column %s: %w", c.Name, err))
		}
		bytes += n
	}
	if bytes > rowListBytesMax {
		errs = append(errs, fmt.Errorf("the lists of one row hold %d bytes; the most are %d", bytes, rowListBytesMax))
	}
	return bytes, errors.Join(errs...)
}

// storableWrapped checks a field that is a slice or a pointer.
func storableWrapped(c *projections.FactColumn, p unsafe.Pointer) (bytes int, err error) {
	if c.List {
		return storableList(c, p)
	}
	if p = *(*unsafe.Pointer)(p); p == nil {
		return 0, nil
	}
	return 0, storableValue(c, p)
}

func storableList(c *projections.FactColumn, p unsafe.Pointer) (bytes int, err error) {
	n, size := listLen(p), itemSize(c.Kind)
	if n > listItemsMax {
		return 0, fmt.Errorf("it has %d items; the most are %d", n, listItemsMax)
	}
	for i := range n {
		item := listItem(p, i, size)
		if err := storableValue(c, item); err != nil {
			return 0, fmt.Errorf("item %d: %w", i, err)
		}
		if c.Kind == projections.Text {
			bytes += len(*(*string)(item))
		}
	}
	return bytes + n*int(size), nil
}

func storableValue(c *projections.FactColumn, p unsafe.Pointer) error {
	switch c.Kind {
	case projections.Time:
		return storableTime(*(*time.Time)(p))
	case projections.Decimal:
		return decimals.Check(*(*decimal.Decimal)(p), c.Scale)
	case projections.Text:
		if c.Values != nil {
			return c.Values.Check(*(*string)(p))
		}
	}
	return nil
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

// listLen and listItem read a slice whose items have a size, whatever their type.
func listLen(p unsafe.Pointer) int { return len(*(*[]byte)(p)) }

func listItem(p unsafe.Pointer, i int, size uintptr) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(*(*[]byte)(p))), uintptr(i)*size)
}

// itemSize is how many bytes of memory a value of a kind takes, without a text's own.
func itemSize(k projections.Kind) uintptr {
	switch k {
	case projections.Bool:
		return unsafe.Sizeof(false)
	case projections.Int32:
		return unsafe.Sizeof(int32(0))
	case projections.Int64, projections.Float64:
		return unsafe.Sizeof(int64(0))
	case projections.Time:
		return unsafe.Sizeof(time.Time{})
	case projections.UUID:
		return unsafe.Sizeof(uuid.UUID{})
	case projections.Decimal:
		return unsafe.Sizeof(decimal.Decimal{})
	}
	return unsafe.Sizeof("")
}
