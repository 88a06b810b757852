package projections

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unsafe"

	"github.com/readside/readside/projections/internal/jsonshape"
)

// Column is a column of a view.
type Column struct {
	// Name is the column's name in SQL: lower case with underscores.
	Name string
	Kind Kind
	// Nullable reports whether the field is a pointer; nil is NULL.
	Nullable bool
	// Key, Index, Order, Join and Hidden are the tag's options.
	Key, Index, Order, Join, Hidden bool
	// Scale is how many digits a decimal has behind the point.
	Scale int
	// Values are those that the column holds, where its type declares them; any other is a
	// fault of its event. A row that is not live yet may hold the empty string, and so may a
	// joined column, whose source need not be there.
	Values Values
	// Type is the field's Go type, without the pointer; Field its name.
	Type  reflect.Type
	Field string

	offset uintptr
}

// At finds the column's field from the row's Base.
func (c *Column) At(base unsafe.Pointer) unsafe.Pointer { return unsafe.Add(base, c.offset) }

// systemColumns are those that Postgres gives every table: no other may have their names.
var systemColumns = []string{"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}

// fieldName is how the query API names a column: "buyer_id" is buyerId.
func fieldName(column string) string {
	var b strings.Builder
	for i, part := range strings.Split(column, "_") {
		if i > 0 && part != "" {
			part = strings.ToUpper(part[:1]) + part[1:]
		}
		b.WriteString(part)
	}
	return b.String()
}

var nameRE = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// columnsOf reads the view tags of the struct type t. All faults come back at once.
func columnsOf(t reflect.Type) (columns []Column, key int, err error) {
	if t.Kind() != reflect.Struct {
		return nil, -1, fmt.Errorf("its row is %s: make it a struct with `view` tags", t)
	}
	var errs []error
	key = -1
	seen, fields := map[string]bool{}, map[string]string{}
	for _, f := range reflect.VisibleFields(t) {
		tag, tagged := f.Tag.Lookup("view")
		if !tagged || tag == "-" {
			if !f.Anonymous && tag != "-" {
				errs = append(errs, fmt.Errorf("field %s has no view tag: add `view:\"%s\"`, or `view:\"-\"` to leave it out", f.Name, snake(f.Name)))
			}
			continue
		}
		c, err := columnOf(f, tag)
		if err == nil && seen[c.Name] {
			err = fmt.Errorf("field %s: there are two columns %q", f.Name, c.Name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		seen[c.Name] = true
		if other, taken := fields[fieldName(c.Name)]; taken {
			errs = append(errs, fmt.Errorf("field %s: columns %q and %q are both the field %q of the query API: rename one", f.Name, other, c.Name, fieldName(c.Name)))
		}
		fields[fieldName(c.Name)] = c.Name
		if c.Key {
			if key >= 0 {
				errs = append(errs, fmt.Errorf("field %s: a second key; a view has one", f.Name))
			}
			key = len(columns)
		}
		columns = append(columns, c)
	}
	if key < 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no field is the key: tag one string `view:\"id,key\"`"))
	}
	return columns, key, errors.Join(errs...)
}

func columnOf(f reflect.StructField, tag string) (Column, error) {
	parts := strings.Split(tag, ",")
	c := Column{Name: parts[0], Field: f.Name, offset: f.Offset, Type: f.Type, Scale: noScale}
	if len(f.Index) > 1 || !f.IsExported() {
		return c, fmt.Errorf("field %s: columns are exported fields of the row itself, not of an embedded struct", f.Name)
	}
	if !nameRE.MatchString(c.Name) {
		return c, fmt.Errorf("field %s: %q is no column name: lower case letters, digits and _, at most 40", f.Name, c.Name)
	}
	if slices.Contains(systemColumns, c.Name) {
		return c, fmt.Errorf("field %s: every table of Postgres has a column %q of its own: name it %q, say", f.Name, c.Name, "own_"+c.Name)
	}
	for _, option := range parts[1:] {
		if err := c.option(option); err != nil {
			return c, fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	if err := c.typed(f.Type); err != nil {
		return c, fmt.Errorf("field %s: %w", f.Name, err)
	}
	return c, c.check()
}

func (c *Column) option(option string) (err error) {
	name, value, _ := strings.Cut(option, "=")
	if name == "scale" {
		c.Scale, err = scaleOf(value)
		return err
	}
	switch option {
	case "key":
		c.Key = true
	case "index":
		c.Index = true
	case "order":
		c.Order = true
	case "join":
		c.Join = true
	case "hidden":
		c.Hidden = true
	default:
		return fmt.Errorf("unknown option %q: there are key, index, order, join, hidden, scale=N", option)
	}
	return nil
}

func (c *Column) check() (err error) {
	if c.Scale, err = scaled(c.Kind, c.Scale, c.Type, "view", c.Name); err != nil {
		return fmt.Errorf("field %s: %w", c.Field, err)
	}
	switch {
	case c.Key && (c.Kind != Text || c.Nullable || c.Join || c.Values != nil):
		return fmt.Errorf("field %s: the key is a plain string", c.Field)
	case c.Kind == JSON && (c.Index || c.Order):
		return fmt.Errorf("field %s: a json column can be neither index nor order", c.Field)
	}
	return nil
}

func (c *Column) typed(t reflect.Type) (err error) {
	if t.Kind() == reflect.Pointer {
		c.Nullable = true
		t = t.Elem()
	}
	c.Type, c.Kind = t, kindOf(t)
	switch {
	case c.Kind == Text:
		c.Values, err = valuesOf(t)
		return err
	case c.Kind != 0:
		return nil
	case c.Nullable:
		return fmt.Errorf("a pointer to %s cannot be a column: point to a %s", t, plainTypes)
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Slice, t.Kind() == reflect.Map:
		c.Kind = JSON
		return jsonshape.CheckStored(t, func(t reflect.Type) bool { return kindOf(t) != 0 })
	}
	return fmt.Errorf("%s cannot be a column: use %s, or a struct, slice or map of those", t, plainTypes)
}

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' && (name[i-1] < 'A' || name[i-1] > 'Z') {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
