// Package cell is one value of a row as Postgres sends and takes it in binary form: its length,
// then its bytes.
package cell

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/goccy/go-json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/projections"
)

// Type is how a kind is declared in Postgres.
type Type struct {
	Name       string
	OID, Array uint32
}

var types = map[projections.Kind]Type{
	projections.Text:    {"text", pgtype.TextOID, pgtype.TextArrayOID},
	projections.Bool:    {"boolean", pgtype.BoolOID, pgtype.BoolArrayOID},
	projections.Int32:   {"integer", pgtype.Int4OID, pgtype.Int4ArrayOID},
	projections.Int64:   {"bigint", pgtype.Int8OID, pgtype.Int8ArrayOID},
	projections.Float64: {"double precision", pgtype.Float8OID, pgtype.Float8ArrayOID},
	projections.Time:    {"timestamptz", pgtype.TimestamptzOID, pgtype.TimestamptzArrayOID},
	// json, not jsonb: it comes back byte for byte, and costs a third to write.
	projections.JSON: {"json", pgtype.JSONOID, pgtype.JSONArrayOID},
	projections.UUID: {"uuid", pgtype.UUIDOID, pgtype.UUIDArrayOID},
}

// TypeOf returns how a column is declared.
func TypeOf(c *projections.Column) Type {
	if c.Kind == projections.Decimal {
		return Type{fmt.Sprintf("numeric(%d, %d)", projections.DecimalDigits, c.Scale), pgtype.NumericOID, pgtype.NumericArrayOID}
	}
	return types[c.Kind]
}

var be = binary.BigEndian

// Null is the length of a NULL: -1, as Postgres writes it.
const Null = math.MaxUint32

// Append appends a column of the row at base: its length, then its bytes.
func Append(buf []byte, c *projections.Column, base unsafe.Pointer) ([]byte, error) {
	p := c.At(base)
	if c.Nullable {
		if p = *(*unsafe.Pointer)(p); p == nil {
			return be.AppendUint32(buf, Null), nil
		}
	}
	switch c.Kind {
	case projections.Text:
		return appendText(buf, *(*string)(p))
	case projections.Bool:
		b := byte(0)
		if *(*bool)(p) {
			b = 1
		}
		return append(be.AppendUint32(buf, 1), b), nil
	case projections.Int32:
		return be.AppendUint32(be.AppendUint32(buf, 4), uint32(*(*int32)(p))), nil
	case projections.Int64:
		return appendInt64(buf, *(*int64)(p)), nil
	case projections.Float64:
		return appendInt64(buf, int64(math.Float64bits(*(*float64)(p)))), nil
	case projections.Time:
		return appendTime(buf, *(*time.Time)(p))
	case projections.UUID:
		id := (*uuid.UUID)(p)
		return append(be.AppendUint32(buf, uint32(len(id))), id[:]...), nil
	case projections.Decimal:
		return appendNumeric(buf, *(*decimal.Decimal)(p), c.Scale)
	default:
		return appendJSON(buf, reflect.NewAt(c.Type, p).Interface())
	}
}

func appendInt64(buf []byte, v int64) []byte {
	return be.AppendUint64(be.AppendUint32(buf, 8), uint64(v))
}

func appendText(buf []byte, s string) ([]byte, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return buf, errors.New("text with a NUL byte cannot be stored")
	}
	if !utf8.ValidString(s) {
		return buf, errors.New("text that is not valid UTF-8 cannot be stored")
	}
	return append(be.AppendUint32(buf, uint32(len(s))), s...), nil
}

// Postgres counts microseconds from 2000-01-01.
const (
	epochMicros = 946684800000000
	minMicros   = -62167219200000000 // year 0
	maxMicros   = 253402300800000000 // year 10000
)

func appendTime(buf []byte, t time.Time) ([]byte, error) {
	if t.Nanosecond()%1000 != 0 {
		return buf, fmt.Errorf("time %s is finer than a microsecond: truncate it", t.Format(time.RFC3339Nano))
	}
	if t.Location() != time.UTC {
		return buf, fmt.Errorf("time %s is not in UTC: convert it", t)
	}
	us := t.UnixMicro()
	if us < minMicros || us >= maxMicros {
		return buf, fmt.Errorf("time %s is out of range", t)
	}
	return appendInt64(buf, us-epochMicros), nil
}

// Micros returns a time as Postgres counts it.
func Micros(t time.Time) int64 { return t.UnixMicro() - epochMicros }

// appendJSON appends what json.Marshal makes of v, without a copy of it.
func appendJSON(buf []byte, v any) ([]byte, error) {
	a := jsonAppenders.Get().(*jsonAppender)
	a.buf = be.AppendUint32(buf, 0) // its length, once known
	if err := a.encode(v); err != nil {
		return buf, fmt.Errorf("it cannot be written as json: %w", err) // and a is not used again
	}
	all := a.buf[:len(a.buf)-1] // without the end of the line
	be.PutUint32(all[len(buf):], uint32(len(all)-len(buf)-4))
	a.buf = nil
	jsonAppenders.Put(a)
	return all, nil
}

// jsonAppender is a json encoder that writes behind what is in buf.
type jsonAppender struct {
	buf     []byte
	encoder *json.Encoder
}

var jsonAppenders = sync.Pool{New: func() any {
	a := &jsonAppender{}
	a.encoder = json.NewEncoder(a)
	return a
}}

// Write implements io.Writer.
func (a *jsonAppender) Write(p []byte) (int, error) {
	a.buf = append(a.buf, p...)
	return len(p), nil
}

// AppendTexts appends a text[].
func AppendTexts(buf []byte, texts []string) ([]byte, error) {
	at := len(buf)
	buf = be.AppendUint32(buf, 0) // its length, once known
	buf = AppendArrayHeader(buf, pgtype.TextOID, len(texts), false)
	var err error
	for _, s := range texts {
		if buf, err = appendText(buf, s); err != nil {
			return buf, err
		}
	}
	be.PutUint32(buf[at:], uint32(len(buf)-at-4))
	return buf, nil
}

// AppendArrayHeader appends what stands in front of an array of n elements.
func AppendArrayHeader(buf []byte, elem uint32, n int, nulls bool) []byte {
	flag := uint32(0)
	if nulls {
		flag = 1
	}
	if n == 0 {
		return be.AppendUint32(be.AppendUint32(be.AppendUint32(buf, 0), flag), elem)
	}
	buf = be.AppendUint32(be.AppendUint32(be.AppendUint32(buf, 1), flag), elem)
	return be.AppendUint32(be.AppendUint32(buf, uint32(n)), 1)
}

// Set writes a column's stored bytes (nil for NULL) into the row at base. Text
// keeps pointing into data, which must not change any more.
func Set(c *projections.Column, base unsafe.Pointer, data []byte) error {
	p := c.At(base)
	if c.Nullable {
		if data == nil {
			reflect.NewAt(reflect.PointerTo(c.Type), p).Elem().SetZero()
			return nil
		}
		v := reflect.New(c.Type)
		reflect.NewAt(reflect.PointerTo(c.Type), p).Elem().Set(v)
		p = v.UnsafePointer()
	}
	if data == nil {
		return fmt.Errorf("column %s is NULL in the table and not nullable in the view", c.Name)
	}
	switch c.Kind {
	case projections.Text:
		*(*string)(p) = unsafe.String(unsafe.SliceData(data), len(data))
	case projections.Bool:
		*(*bool)(p) = data[0] != 0
	case projections.Int32:
		*(*int32)(p) = int32(be.Uint32(data))
	case projections.Int64:
		*(*int64)(p) = int64(be.Uint64(data))
	case projections.Float64:
		*(*float64)(p) = math.Float64frombits(be.Uint64(data))
	case projections.Time:
		*(*time.Time)(p) = time.UnixMicro(int64(be.Uint64(data)) + epochMicros).UTC()
	case projections.UUID:
		copy((*uuid.UUID)(p)[:], data)
	case projections.Decimal:
		d, err := numericOf(data, c.Scale)
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
		*(*decimal.Decimal)(p) = d
	default:
		if err := unmarshal(data, reflect.NewAt(c.Type, p).Interface()); err != nil {
			return fmt.Errorf("column %s holds json that the view's %s cannot read: %w", c.Name, c.Type, err)
		}
	}
	return nil
}

// A view's types may have methods of their own: their panics are errors of a value, and
// no end of the process.

func (a *jsonAppender) encode(v any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return a.encoder.Encode(v)
}

func unmarshal(data []byte, v any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return json.Unmarshal(data, v)
}
