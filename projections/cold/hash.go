package cold

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/cespare/xxhash/v2"

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
		b = appendCanonical(b, &m.Columns[i], base)
	}
	b = strconv.AppendInt(b, place, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(row), 10)
	return xxhash.Sum64(b), b
}

func appendCanonical(b []byte, c *projections.FactColumn, base unsafe.Pointer) []byte {
	p := c.At(base)
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
	switch c.Kind {
	case projections.Text:
		return "toString(length(" + name + ")), ':', toString(" + name + ")"
	case projections.Bool:
		return "toString(toUInt8(" + name + ")), ','"
	case projections.Float64:
		return "toString(reinterpretAsUInt64(" + name + ")), ','"
	case projections.Time:
		return "toString(toUnixTimestamp64Micro(" + name + ")), ','"
	}
	return "toString(" + name + "), ','"
}
