package cold

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/internal/decimals"
	"github.com/readside/readside/projections"
)

// A row's hash is XXH64 of its columns, place and row number written one after the
// other, texts with their length before them. The hash of many rows is the sum of
// theirs, so that their order does not matter but a row that is there twice does.
// rowHash and rowHashSQL are the same function.

// rowHash hashes a row in memory. scratch is memory to work in.
func rowHash(m *projections.FactModel, base unsafe.Pointer, place int64, row int, scratch []byte) (sum uint64, used []byte) {
	b := scratch[:0]
	for i := range m.Columns {
		c := &m.Columns[i]
		if c.List || c.Nullable {
			b = appendWrapped(b, c, c.At(base))
			continue
		}
		b = appendValue(b, c, c.At(base))
	}
	b = strconv.AppendInt(b, place, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(row), 10)
	return xxhash.Sum64(b), b
}

// appendWrapped writes a field that is a slice or a pointer.
func appendWrapped(b []byte, c *projections.FactColumn, p unsafe.Pointer) []byte {
	if c.List {
		n, size := listLen(p), itemSize(c.Kind)
		b = append(strconv.AppendInt(b, int64(n), 10), ':')
		for i := range n {
			b = appendValue(b, c, listItem(p, i, size))
		}
		return b
	}
	if p = *(*unsafe.Pointer)(p); p == nil {
		return append(b, 'n')
	}
	return appendValue(append(b, 'v'), c, p)
}

// appendValue writes a value itself. Most columns are plain and go straight here.
func appendValue(b []byte, c *projections.FactColumn, p unsafe.Pointer) []byte {
	switch c.Kind {
	case projections.Text:
		s := *(*string)(p)
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, ':')
		return append(b, s...)
	case projections.Bool:
		if *(*bool)(p) {
			return append(b, "1,"...)
		}
		return append(b, "0,"...)
	case projections.Int32:
		b = strconv.AppendInt(b, int64(*(*int32)(p)), 10)
	case projections.Int64:
		b = strconv.AppendInt(b, *(*int64)(p), 10)
	case projections.Float64:
		b = strconv.AppendUint(b, math.Float64bits(*(*float64)(p)), 10)
	case projections.Time:
		b = strconv.AppendInt(b, (*time.Time)(p).UnixMicro(), 10)
	case projections.UUID:
		b = append(b, (*uuid.UUID)(p).String()...)
	case projections.Decimal:
		b = decimals.Whole(*(*decimal.Decimal)(p), c.Scale).Append(b, 10)
	}
	return append(b, ',')
}

// rowHashSQL is the expression by which ClickHouse hashes a row.
func rowHashSQL(m *projections.FactModel) string {
	var parts []string
	for i := range m.Columns {
		parts = append(parts, canonicalSQL(&m.Columns[i]))
	}
	parts = append(parts, "toString("+positionColumn+")", "','", "toString("+rowColumn+")")
	return "xxHash64(concat(" + strings.Join(parts, ", ") + "))"
}

func canonicalSQL(c *projections.FactColumn) string {
	name := ident(c.Name)
	switch {
	case c.List: // no column is named _item: names begin with a letter
		return "toString(length(" + name + ")), ':', arrayStringConcat(arrayMap(_item -> concat(" + valueSQL(c, "_item") + "), " + name + "))"
	case c.Nullable:
		return "if(isNull(" + name + "), 'n', concat('v', " + valueSQL(c, "assumeNotNull("+name+")") + "))"
	}
	return valueSQL(c, name)
}

// valueSQL is appendValue of an expression that is not NULL.
func valueSQL(c *projections.FactColumn, value string) string {
	switch c.Kind {
	case projections.Text:
		return "toString(length(" + value + ")), ':', toString(" + value + ")"
	case projections.Bool:
		return "toString(toUInt8(" + value + ")), ','"
	case projections.Float64:
		return "toString(reinterpretAsUInt64(" + value + ")), ','"
	case projections.Time:
		return "toString(toUnixTimestamp64Micro(" + value + ")), ','"
	case projections.Decimal: // toString would be as the server's settings say
		return "toString(reinterpretAsInt128(" + value + ")), ','"
	}
	return "toString(" + value + "), ','"
}
