package projections

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/internal/decimals"
)

// Kind is how a column is stored.
type Kind uint8

// The kinds of columns.
const (
	Text    Kind = iota + 1 // string
	Bool                    // bool
	Int32                   // int32
	Int64                   // int, int64
	Float64                 // float64
	Time                    // time.Time: UTC, whole microseconds
	JSON                    // structs, slices, maps: views only
	UUID                    // uuid.UUID
	Decimal                 // decimal.Decimal, exact
)

func (k Kind) String() string {
	return [...]string{"?", "text", "bool", "int32", "int64", "float64", "time", "json", "uuid", "decimal"}[k]
}

// DecimalDigits is how many digits a decimal has at most, those behind the point included.
const DecimalDigits = decimals.Digits

var (
	timeType    = reflect.TypeFor[time.Time]()
	uuidType    = reflect.TypeFor[uuid.UUID]()
	decimalType = reflect.TypeFor[decimal.Decimal]()
)

// plainTypes names the types that kindOf knows, for errors.
const plainTypes = "string, bool, int, int32, int64, float64, time.Time, uuid.UUID or decimal.Decimal"

// kindOf is the kind of the type of a single value; 0 where there is none.
func kindOf(t reflect.Type) Kind {
	switch t {
	case timeType:
		return Time
	case uuidType:
		return UUID
	case decimalType:
		return Decimal
	}
	switch t.Kind() {
	case reflect.String:
		return Text
	case reflect.Bool:
		return Bool
	case reflect.Int32:
		return Int32
	case reflect.Int, reflect.Int64:
		return Int64
	case reflect.Float64:
		return Float64
	}
	return 0
}

// Values are those that a string type declares by a method Values, sorted: a column of the
// type holds no other. Nil where the type declares none.
type Values []string

// valuesNamed is how many declared values an error names.
const valuesNamed = 10

// Check reports that s is not one of the values.
func (v Values) Check(s string) error {
	if _, declared := slices.BinarySearch(v, s); declared {
		return nil
	}
	names, more := v, ""
	if len(names) > valuesNamed {
		names, more = names[:valuesNamed], ", …"
	}
	return fmt.Errorf("%.60q is not a declared value: declare it in the Values method of the column's type, which has %s%s", s, strings.Join(names, ", "), more)
}

// valuesMost bounds the values that a string type declares.
const valuesMost = 1_000

// valuesOf takes the values that the string type t declares; nil where it declares none.
func valuesOf(t reflect.Type) (Values, error) {
	declares, ok := reflect.New(t).Interface().(interface{ Values() []string }) // methods of the pointer are found, too
	if !ok {
		return nil, nil
	}
	values := Values(slices.Clone(declares.Values()))
	slices.Sort(values)
	switch {
	case len(values) == 0:
		return nil, fmt.Errorf("%s.Values returns no value: return every value that there is, or remove the method", t)
	case len(values) > valuesMost:
		return nil, fmt.Errorf("%s.Values returns %d values; the most are %d: use a string type without the method", t, len(values), valuesMost)
	case len(slices.Compact(slices.Clone(values))) < len(values):
		return nil, fmt.Errorf("%s.Values returns a value twice: return each once", t)
	}
	return values, nil
}

// noScale is the scale of a column whose tag states none.
const noScale = -1

func scaleOf(text string) (int, error) {
	scale, err := strconv.Atoi(text)
	if err != nil || scale < 0 || scale > DecimalDigits {
		return noScale, fmt.Errorf("scale=%s: a scale is a number of digits from 0 to %d, such as scale=4", text, DecimalDigits)
	}
	return scale, nil
}

// scaled checks a column's scale against its kind; tag and name are for the hint.
func scaled(k Kind, scale int, t reflect.Type, tag, name string) (int, error) {
	switch {
	case k == Decimal && scale == noScale:
		return 0, fmt.Errorf("a decimal states how many digits it has behind the point: add the option scale, as in `%s:\"%s,scale=4\"`", tag, name)
	case k != Decimal && scale != noScale:
		return 0, fmt.Errorf("%s has no scale: only a decimal.Decimal has", t)
	}
	return max(scale, 0), nil
}
