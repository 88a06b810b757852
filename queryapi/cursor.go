package queryapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi/refusal"
)

// cursor is the place behind a row: the row's key, and its value in the order's
// column. It says which view and order it belongs to.
type cursor struct {
	View  string `json:"v"`
	Order string `json:"o"`
	Value string `json:"a,omitempty"`
	// Null reports whether the row has no value in the order's column.
	Null bool   `json:"n,omitempty"`
	Key  string `json:"k"`
}

func (c cursor) String() string {
	data, err := json.Marshal(c)
	if err != nil {
		return "" // texts: it cannot fail
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// cursorBytesMax is above what any row makes: its key and the order's value stand in an
// index together, so they have 2,704 bytes at most, of which JSON makes six each.
const cursorBytesMax = 24 << 10

// parseCursor reads what String wrote, for one view and order, and returns the values
// that the statement compares with.
func parseCursor(token string, v *view, o order) ([]any, *refusal.Refusal) {
	broken := refusal.New(refusal.BadCursor, "pass on an endCursor or an edge's cursor of the same list, unchanged", "the cursor is not one of this list")
	data, err := base64.RawURLEncoding.DecodeString(token)
	var c cursor
	if len(token) > cursorBytesMax || err != nil || json.Unmarshal(data, &c) != nil {
		return nil, broken
	}
	if c.String() != token {
		return nil, broken // what this program writes, it writes in one way
	}
	if c.View != v.model.Table() {
		return nil, refusal.New(refusal.BadCursor, "begin again without after", "the cursor is of %s, this is a list of %s", c.View, v.model.Table())
	}
	if c.Order != o.name {
		return nil, refusal.New(refusal.BadCursor, "keep orderBy from page to page, or begin again without after", "the cursor is of the order %s, this list is ordered by %s", c.Order, o.name)
	}
	column := &v.model.Columns[o.column]
	switch {
	case c.Null && (!column.Nullable || c.Value != ""):
		return nil, broken
	case c.Null:
		return []any{nil, c.Key}, nil
	case column.Key:
		return []any{c.Key}, nil
	}
	value, err := parseCell(column, c.Value)
	if err != nil || formatCell(value) != c.Value {
		return nil, broken.Because(err)
	}
	return []any{value, c.Key}, nil
}

// formatCell writes a value of an order's column so that parseCell reads the same.
func formatCell(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case time.Time:
		return strconv.FormatInt(v.UnixMicro(), 10)
	case float64:
		return strconv.FormatUint(math.Float64bits(v), 16)
	}
	return fmt.Sprint(v)
}

// firstMicrosecond is Postgres' first moment, from 1970. One before it would be written
// to Postgres as one near its last.
const firstMicrosecond = -210_866_803_200_000_000

func parseCell(c *projections.Column, s string) (any, error) {
	switch c.Kind {
	case projections.UUID:
		if parseUUID(s) != s {
			return nil, errors.New("it is no UUID")
		}
		return s, nil
	case projections.Decimal:
		if !sameDigits(s, c.Scale) {
			return nil, errors.New("it is no decimal of the column")
		}
		return s, nil
	case projections.Text:
		return s, nil
	case projections.Bool:
		return strconv.ParseBool(s)
	case projections.Int32:
		n, err := strconv.ParseInt(s, 10, 32)
		return int32(n), err
	case projections.Int64:
		return strconv.ParseInt(s, 10, 64)
	case projections.Float64:
		bits, err := strconv.ParseUint(s, 16, 64)
		return math.Float64frombits(bits), err
	case projections.Time:
		us, err := strconv.ParseInt(s, 10, 64)
		if err == nil && us < firstMicrosecond {
			err = errors.New("Postgres has no moment before the year 4714 BC")
		}
		return time.UnixMicro(us).UTC(), err
	}
	return nil, fmt.Errorf("no order has columns of kind %s", c.Kind)
}
