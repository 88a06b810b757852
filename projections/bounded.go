package projections

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/shopspring/decimal"

	"github.com/readside/readside/internal/decimals"
)

// A column of decimals, or of a type that declares its values, holds less than its Go type
// does. What handlers and joins put there is checked after each event, so that the one that
// brings a wrong value is known, and decimals get their one form, so that a row that was
// stored and loaded is the row that stayed in memory, to the last digit.

// boundError is that of values which their columns do not hold.
type boundError struct{ error }

// bounds finds the columns that hold less than their type.
func (m *Model) bounds() {
	for i := range m.Columns {
		c := &m.Columns[i]
		switch {
		case c.Kind != Decimal && c.Values == nil:
		case c.Join:
			m.boundJoined = append(m.boundJoined, i)
		default:
			m.boundOwn = append(m.boundOwn, i)
		}
	}
}

// bind checks the columns of a row, and gives decimals their form. All faults come back at
// once.
func (m *Model) bind(r *Row, columns []int) error {
	if len(columns) == 0 {
		return nil
	}
	base := m.base(r.Value)
	var errs []error
	for _, i := range columns {
		c := &m.Columns[i]
		if err := c.bind(c.At(base), r.State == Live && !c.Join); err != nil {
			errs = append(errs, fmt.Errorf("column %s: %w", c.Name, err))
		}
	}
	if errs == nil {
		return nil
	}
	return boundError{errors.Join(errs...)}
}

// bind checks the field at p. strict says that a value must be there.
func (c *Column) bind(p unsafe.Pointer, strict bool) error {
	value := p
	if c.Nullable {
		if value = *(*unsafe.Pointer)(p); value == nil {
			return nil
		}
		strict = true // a pointer says by nil that there is none
	}
	if c.Kind == Decimal {
		return c.bindDecimal(p, *(*decimal.Decimal)(value))
	}
	if s := *(*string)(value); s != "" || strict {
		return c.Values.Check(s)
	}
	return nil
}

// bindDecimal replaces the field at p, and nothing that it points to: others may have it.
func (c *Column) bindDecimal(p unsafe.Pointer, d decimal.Decimal) error {
	if err := decimals.Check(d, c.Scale); err != nil {
		return err
	}
	d = decimals.Of(decimals.Whole(d, c.Scale), c.Scale)
	if c.Nullable {
		*(**decimal.Decimal)(p) = &d
	} else {
		*(*decimal.Decimal)(p) = d
	}
	return nil
}

// described is the column's line of the fingerprint, behind what every column has. What a
// plain column does not have is left out, so that views without it keep their fingerprint.
func (c *Column) described() string {
	switch {
	case c.Kind == Decimal:
		return fmt.Sprintf("scale %d\n", c.Scale)
	case c.Values != nil:
		return fmt.Sprintf("values %q\n", []string(c.Values))
	}
	return ""
}

// sameType reports whether a column takes over the values of another as they are.
func (c *Column) sameType(d *Column) bool {
	return c.Type == d.Type && c.Nullable == d.Nullable && c.Scale == d.Scale && slices.Equal(c.Values, d.Values)
}
