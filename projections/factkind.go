package projections

import (
	"errors"
	"fmt"
	"reflect"
)

// typed finds the kind of a field of type t.
func (c *FactColumn) typed(t reflect.Type) error {
	item := t
	switch {
	case t.Kind() == reflect.Pointer:
		c.Nullable, item = true, t.Elem()
	case t.Kind() == reflect.Slice:
		c.List, item = true, t.Elem()
	}
	if c.Kind = kindOf(item); c.Kind != 0 {
		return c.declared(item)
	}
	switch {
	case (c.Nullable || c.List) && item.Kind() == reflect.Slice:
		return fmt.Errorf("%s cannot be a fact's column: use []T; an empty list is the same as none, and lists of lists are not stored", t)
	case (c.Nullable || c.List) && item.Kind() == reflect.Pointer:
		return fmt.Errorf("%s cannot be a fact's column: the items of a list are never null, and a pointer points to a value", t)
	}
	return fmt.Errorf("%s cannot be a fact's column: use %s, a pointer to one of them (nil is NULL), or a slice", t, plainTypes)
}

// declared takes the values that the type t declares, if it is a string type that does.
func (c *FactColumn) declared(t reflect.Type) (err error) {
	if c.Kind == Text {
		c.Values, err = valuesOf(t)
	}
	c.Low = c.Low || c.Values != nil
	return err
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
	var err error
	if c.Scale, err = scaled(c.Kind, c.Scale, c.Type, "fact", c.Name); err != nil {
		errs = append(errs, err)
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
		line += fmt.Sprintf(" values=%q", []string(c.Values))
	}
	return line + "\n"
}
