package projections

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// DecimalDigits is how many digits a fact's decimal has at most, those behind the point
// included.
const DecimalDigits = 38

// valuesMost bounds the values that a string type declares: they are stored as
// LowCardinality, which is made for few.
const valuesMost = 1_000

// noScale is the scale of a column whose tag states none.
const noScale = -1

var (
	uuidType    = reflect.TypeFor[uuid.UUID]()
	decimalType = reflect.TypeFor[decimal.Decimal]()
)

// valued is a string type that declares which values there are.
type valued interface{ Values() []string }

const factTypes = "string, bool, int, int32, int64, float64, time.Time, uuid.UUID or decimal.Decimal"

func scaleOf(text string) (int, error) {
	scale, err := strconv.Atoi(text)
	if err != nil || scale < 0 || scale > DecimalDigits {
		return noScale, fmt.Errorf("scale=%s: a scale is a number of digits from 0 to %d, such as scale=4", text, DecimalDigits)
	}
	return scale, nil
}

// typed finds the kind of a field of type t.
func (c *FactColumn) typed(t reflect.Type) error {
	item := t
	switch {
	case t.Kind() == reflect.Pointer:
		c.Nullable, item = true, t.Elem()
	case t.Kind() == reflect.Slice:
		c.List, item = true, t.Elem()
	}
	switch {
	case item == uuidType:
		c.Kind = UUID
		return nil
	case item == decimalType:
		c.Kind = Decimal
		return nil
	case (c.Nullable || c.List) && item.Kind() == reflect.Slice:
		return fmt.Errorf("%s cannot be a fact's column: use []T; an empty list is the same as none, and lists of lists are not stored", t)
	case (c.Nullable || c.List) && item.Kind() == reflect.Pointer:
		return fmt.Errorf("%s cannot be a fact's column: the items of a list are never null, and a pointer points to a value", t)
	}
	var plain Column
	if err := plain.typed(item); err != nil || plain.Kind == JSON {
		return fmt.Errorf("%s cannot be a fact's column: use %s, a pointer to one of them (nil is NULL), or a slice", t, factTypes)
	}
	c.Kind = plain.Kind
	if c.Kind == Text {
		return c.declared(item)
	}
	return nil
}

// declared takes the values that the string type t declares, if it does.
func (c *FactColumn) declared(t reflect.Type) error {
	declares, ok := reflect.New(t).Interface().(valued) // methods of the pointer are found, too
	if !ok {
		return nil
	}
	c.Values, c.Low = slices.Clone(declares.Values()), true
	slices.Sort(c.Values)
	switch {
	case len(c.Values) == 0:
		return fmt.Errorf("%s.Values returns no value: return every value that there is, or remove the method", t)
	case len(c.Values) > valuesMost:
		return fmt.Errorf("%s.Values returns %d values; the most are %d: use a string type without the method", t, len(c.Values), valuesMost)
	case len(slices.Compact(slices.Clone(c.Values))) < len(c.Values):
		return fmt.Errorf("%s.Values returns a value twice: return each once", t)
	}
	return nil
}

// check finds options that do not go with the type. All faults come back at once.
func (c *FactColumn) check(isTime bool) error {
	var errs []error
	if isTime && (c.Kind != Time || c.Nullable || c.List) {
		errs = append(errs, fmt.Errorf("%s cannot be the time: use time.Time, since every row belongs to one month", c.Type))
	}
	if c.Order && c.Nullable {
		errs = append(errs, fmt.Errorf("%s cannot be in the sorting key, which holds no NULL: remove `order`, or use a plain type and a value of your own for what is absent", c.Type))
	}
	if c.Order && c.List {
		errs = append(errs, fmt.Errorf("%s cannot be in the sorting key: remove `order`, or make a row per item", c.Type))
	}
	if c.Low && c.Kind != Text {
		errs = append(errs, errors.New("only a string can be low"))
	}
	switch {
	case c.Kind == Decimal && c.Scale == noScale:
		errs = append(errs, fmt.Errorf("a decimal states how many digits it has behind the point: add the option scale, as in `fact:\"%s,scale=4\"`", c.Name))
	case c.Kind != Decimal && c.Scale != noScale:
		errs = append(errs, fmt.Errorf("%s has no scale: only a decimal.Decimal has", c.Type))
	case c.Kind != Decimal:
		c.Scale = 0
	}
	return errors.Join(errs...)
}

// describe is the column's line of the fingerprint. What a plain column does not have is
// left out, so that facts without it keep their fingerprint.
func (c *FactColumn) describe() string {
	line := fmt.Sprintf("column %s %s order=%t low=%t", c.Name, c.Kind, c.Order, c.Low)
	if c.Nullable {
		line += " null"
	}
	if c.List {
		line += " list"
	}
	if c.Kind == Decimal {
		line += fmt.Sprintf(" scale=%d", c.Scale)
	}
	if c.Values != nil {
		line += fmt.Sprintf(" values=%q", c.Values)
	}
	return line + "\n"
}
