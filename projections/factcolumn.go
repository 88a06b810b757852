package projections

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// FactColumn is a column of a fact: never json, never nullable and a list at once.
type FactColumn struct {
	Name string
	// Kind is that of the values: of the items of a list, of what a pointer points to.
	Kind Kind
	// Nullable reports whether the field is a pointer; nil is NULL.
	Nullable bool
	// List reports whether the field is a slice; nil and empty are the same value.
	List bool
	// Order and Low are the tag's options. A column with Values is low without it.
	Order, Low bool
	// Scale is how many digits a decimal has behind the point.
	Scale int
	// Values are those that the column holds, where its type declares them; any other is a
	// fault of its event.
	Values Values
	// Doc is the field's doc tag: a few words for analysts.
	Doc string
	// Type is the field's Go type, Field its name.
	Type  reflect.Type
	Field string

	offset uintptr
}

// At finds the column's field from the row's Base.
func (c *FactColumn) At(base unsafe.Pointer) unsafe.Pointer { return unsafe.Add(base, c.offset) }

// factColumnsOf reads the fact tags of the struct type t. All faults come back at once.
func factColumnsOf(t reflect.Type) (columns []FactColumn, at int, err error) {
	if t.Kind() != reflect.Struct {
		return nil, -1, fmt.Errorf("its row is %s: make it a struct with `fact` tags", t)
	}
	var errs []error
	at = -1
	seen := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("fact")
		if tag == "" {
			errs = append(errs, fmt.Errorf("field %s has no fact tag: add `fact:\"%s\"`", f.Name, snake(f.Name)))
			continue
		}
		c, isTime, err := factColumnOf(f, tag)
		if err != nil {
			errs = append(errs, fmt.Errorf("field %s: %w", f.Name, err))
			continue
		}
		if seen[c.Name] || isTime && at >= 0 {
			errs = append(errs, fmt.Errorf("field %s: a second column %q, or a second time", f.Name, c.Name))
			continue
		}
		seen[c.Name] = true
		if isTime {
			at = len(columns)
		}
		columns = append(columns, c)
	}
	if at < 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no field is the time: tag one time.Time `fact:\"at,time\"`"))
	}
	return columns, at, errors.Join(errs...)
}

func factColumnOf(f reflect.StructField, tag string) (c FactColumn, isTime bool, err error) {
	parts := strings.Split(tag, ",")
	c = FactColumn{Name: parts[0], Doc: f.Tag.Get("doc"), Type: f.Type, Field: f.Name, Scale: noScale, offset: f.Offset}
	if !nameRE.MatchString(c.Name) || len(f.Index) > 1 || !f.IsExported() {
		return c, false, fmt.Errorf("%q: columns are exported fields of the row itself with lower case names", c.Name)
	}
	for _, option := range parts[1:] {
		name, value, _ := strings.Cut(option, "=")
		switch {
		case option == "order":
			c.Order = true
		case option == "low":
			c.Low = true
		case option == "time":
			isTime = true
		case name == "scale":
			if c.Scale, err = scaleOf(value); err != nil {
				return c, false, err
			}
		default:
			return c, false, fmt.Errorf("unknown option %q: there are order, low, time, scale=N", option)
		}
	}
	if err := c.typed(f.Type); err != nil {
		return c, false, err
	}
	return c, isTime, c.check(isTime)
}
